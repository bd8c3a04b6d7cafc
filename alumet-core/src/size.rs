//! Sizes in configuration files: `1048576`, `"100 MiB"`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An amount of bytes, written as a number of bytes or with a unit: `"100 MiB"`, `"2 GB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// A sample as a line of text: the mean of what the plugin `csv` writes of the sources that are on by default.
pub const BYTES_PER_LINE: f64 = 95.0;

/// The units and their bytes, largest first.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

/// A text that is no [`ByteSize`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no size; write it as \"100 MiB\", \"2 GB\" or a number of bytes")]
pub struct NoSize {
    text: String,
}

impl FromStr for ByteSize {
    type Err = NoSize;

    fn from_str(text: &str) -> Result<Self, NoSize> {
        let fault = || NoSize {
            text: text.to_owned(),
        };
        let trimmed = text.trim();
        let digits = trimmed
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(digits);
        let number: u64 = number.parse().map_err(|_| fault())?;
        let unit = match unit.trim_start() {
            "" => "B",
            unit => unit,
        };
        let known = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
        let (_, factor) = known.ok_or_else(fault)?;
        number.checked_mul(*factor).map(Self).ok_or_else(fault)
    }
}

/// In the largest unit that needs no fraction.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = UNITS
            .iter()
            .find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor));
        let (unit, factor) = exact.unwrap_or(&("B", 1));
        write!(f, "{} {unit}", self.0 / factor)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// As it stands in a configuration file.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a size is written such as \"100 MiB\" or as a number of bytes"
)]
enum Written<'a> {
    Bytes(i64),
    Text(Cow<'a, str>),
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Written::deserialize(deserializer)? {
            Written::Bytes(bytes) => u64::try_from(bytes)
                .map(Self)
                .map_err(|_| D::Error::custom("a size is not negative")),
            Written::Text(text) => text.parse().map_err(D::Error::custom),
        }
    }
}

impl JsonSchema for ByteSize {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"], "minimum": 0, "examples": ["100 MiB", "2 GB", 1_048_576] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_size_survives_its_text(bytes: u64) {
            prop_assert_eq!(ByteSize(bytes).to_string().parse(), Ok(ByteSize(bytes)));
        }
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("100 MiB", 100 << 20),
            ("2GB", 2_000_000_000),
            ("1 kib", 1024),
            (" 7 ", 7),
            ("0", 0),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for text in ["", "MiB", "1.5 GB", "-1", "1 M", "99999999999 TiB", "1 MiB MiB"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_print_in_the_largest_exact_unit() {
        assert_eq!(ByteSize(100 << 20).to_string(), "100 MiB");
        assert_eq!(ByteSize(1500).to_string(), "1500 B");
        assert_eq!(ByteSize(0).to_string(), "0 B");
        for (unit, bytes) in UNITS {
            assert_eq!(ByteSize(bytes).to_string(), format!("1 {unit}"));
        }
    }

    #[test]
    fn a_size_of_another_type_is_answered_with_an_example() {
        let parse = toml::from_str::<std::collections::BTreeMap<String, ByteSize>>;
        assert_eq!(
            parse("a = 7\nb = '7 kB'")
                .unwrap()
                .into_values()
                .map(|size| size.0)
                .collect::<Vec<_>>(),
            [7, 7000]
        );
        for (text, expected) in [
            ("a = true", "a size is written such as \"100 MiB\""),
            ("a = -1", "a size is not negative"),
            ("a = 'much'", "write it as \"100 MiB\""),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.message().contains(expected), "{error}");
        }
    }

    #[test]
    fn a_schema_tells_the_type_where_the_key_is() {
        let schema = schemars::schema_for!(Vec<ByteSize>);
        let kind = schema.pointer("/items/type").map(ToString::to_string);
        assert_eq!(kind.as_deref(), Some(r#"["string","integer"]"#));
    }
}
