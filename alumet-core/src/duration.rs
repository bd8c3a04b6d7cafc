//! Durations in configuration files: `"1s"`, `"500ms"`, `"1m 30s"`.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration that is written and read as people write it: `"1s"`, `"500ms"`, `"1m 30s"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HumanDuration(pub Duration);

impl HumanDuration {
    /// So many milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// So many seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl Deref for HumanDuration {
    type Target = Duration;

    fn deref(&self) -> &Duration {
        &self.0
    }
}

impl From<HumanDuration> for Duration {
    fn from(duration: HumanDuration) -> Self {
        duration.0
    }
}

/// In days and shorter units: how long a month is, nobody could say.
impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY: u64 = 24 * 60 * 60;
        let days = self.as_secs() / DAY;
        let rest = self.0 - Duration::from_secs(days * DAY);
        if days > 0 {
            let (plural, space) = (
                if days == 1 { "" } else { "s" },
                if rest.is_zero() { "" } else { " " },
            );
            write!(f, "{days}day{plural}{space}")?;
            if rest.is_zero() {
                return Ok(());
            }
        }
        humantime::format_duration(rest).fmt(f)
    }
}

impl FromStr for HumanDuration {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        humantime::parse_duration(text).map(Self)
    }
}

/// Writes a duration as a number of seconds, for programs that read a status.
pub(crate) fn as_seconds<S: Serializer>(
    duration: &(impl Copy + Into<Option<Duration>>),
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let duration: Option<Duration> = (*duration).into();
    duration
        .map(|duration| duration.as_secs_f64())
        .serialize(serializer)
}

impl Serialize for HumanDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(|error| {
            serde::de::Error::custom(format!(
                "{text:?} is no duration ({error}); write it as \"500ms\", \"1s\" or \"1m 30s\""
            ))
        })
    }
}

impl JsonSchema for HumanDuration {
    fn schema_name() -> Cow<'static, str> {
        "duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "duration", "examples": ["500ms", "1s", "1m 30s"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_survive_their_text() {
        for text in [
            "0s",
            "1s",
            "500ms",
            "1m 30s",
            "1h",
            "250us",
            "1day",
            "1day 1s",
            "90days",
            "730days 2h",
        ] {
            assert_eq!(text.parse::<HumanDuration>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_wrong_duration_is_answered_with_examples() {
        let error =
            toml::from_str::<std::collections::BTreeMap<String, HumanDuration>>("a = 'soon'").unwrap_err();
        assert!(error.message().contains("write it as \"500ms\""), "{error}");
    }

    #[test]
    fn a_schema_tells_the_type_where_the_key_is() {
        let schema = schemars::schema_for!(Vec<HumanDuration>);
        let kind = schema.pointer("/items/type").map(ToString::to_string);
        assert_eq!(kind.as_deref(), Some(r#""string""#));
    }
}
