//! The names of families and labels.
//!
//! Without UTF-8, names have letters, digits and underscores. What would then be the same twice is told apart, because an
//! exposition in which something is there twice is worth nothing to a scraper.

use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::unit::{BaseUnit, Unit};
use alumet_core::{Attributes, Resource};

use crate::number::Scale;

/// Labels that are no attributes.
const RESERVED: [&str; 4] = [
    "resource_kind",
    "resource_id",
    "resource_consumer_kind",
    "resource_consumer_id",
];

/// How names are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    /// What stands before the name of each metric.
    pub prefix: String,
    /// What follows the name of each metric, before its unit.
    pub suffix: String,
    /// Whether values are in seconds, joules, bytes, ratios and the like, as Prometheus recommends; otherwise in the units of the
    /// metrics.
    pub base_units: bool,
    /// Whether names stay as they are; otherwise what is no letter or digit becomes `_`.
    pub utf8_names: bool,
}

impl Default for Naming {
    fn default() -> Self {
        Self {
            prefix: String::new(),
            suffix: "_alumet".to_owned(),
            base_units: true,
            utf8_names: false,
        }
    }
}

impl Naming {
    /// The family of a metric: prefix, name, suffix and unit. `told_apart` appends the kind to it, because the name is taken.
    pub fn family(&self, metric: &Metric, told_apart: bool) -> FamilyName {
        let is_counter = metric.kind != MetricKind::Gauge;
        let mut name = &*metric.name;
        if is_counter {
            name = name.strip_suffix("_total").unwrap_or(name);
        }
        let mut name = format!("{}{name}{}", self.prefix, self.suffix);
        if !self.utf8_names {
            name = plain(&name);
        }
        if name.is_empty() {
            name.push('_');
        }
        let (_, unit) = exposed_unit(&metric.unit, self.base_units);
        if !unit.is_empty() && !name.strip_suffix(&*unit).is_some_and(|rest| rest.ends_with('_')) {
            name.push('_');
            name.push_str(&unit);
        }
        // Others that are made of the name of a counter, or of this program.
        let is_taken = ["_total", "_created"].iter().any(|end| name.ends_with(end)) || name.starts_with(OWN);
        if told_apart || is_taken {
            name.push('_');
            name.push_str(kind_word(is_counter));
            return FamilyName {
                name: Name::new(name, self.utf8_names),
                // It must end a name.
                unit: String::new(),
            };
        }
        FamilyName {
            name: Name::new(name, self.utf8_names),
            unit,
        }
    }

    /// From the unit of a metric to that in which it is exposed.
    pub fn scale(&self, unit: &Unit) -> Scale {
        let (exposed, _) = exposed_unit(unit, self.base_units);
        Scale::between(unit, &exposed)
    }

    /// The labels of a series but the empty ones, which are missing ones to a scraper. `consumer` is its kind and its id.
    pub fn labels(
        &self,
        resource: &Resource,
        consumer: (&str, &str),
        attributes: &Attributes,
    ) -> Vec<(Name, String)> {
        let fixed = [resource.kind(), &*resource.id(), consumer.0, consumer.1].map(str::to_owned);
        let names = RESERVED.map(|name| Name::new(name.to_owned(), false));
        let keys: Vec<&str> = attributes.iter().map(|(key, _)| &**key).collect();
        let keys = label_names(&keys, self.utf8_names).into_iter();
        let attributes = keys.zip(attributes.iter().map(|(_, value)| value.to_string()));
        let labels = names.into_iter().zip(fixed).chain(attributes);
        labels.filter(|(_, value)| !value.is_empty()).collect()
    }
}

/// A name, and what others get who do not allow UTF-8 in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// As it is.
    pub name: String,
    /// Missing if the name itself is plain.
    pub escaped: Option<String>,
}

impl Name {
    /// With UTF-8, any name can be written.
    fn new(name: String, is_utf8: bool) -> Self {
        // What looks escaped would be taken for that.
        let is_plain = is_plain(&name) && !name.starts_with("U__");
        let escaped = (is_utf8 && !is_plain).then(|| escaped(&name));
        Self { name, escaped }
    }

    /// What a scraper gets.
    pub fn get(&self, is_utf8: bool) -> &str {
        match &self.escaped {
            Some(escaped) if !is_utf8 => escaped,
            _ => &self.name,
        }
    }
}

/// How a metric is exposed.
#[derive(Debug)]
pub struct FamilyName {
    /// The name of the family; what ends in `_total` is its sample.
    pub name: Name,
    /// The last word of the name; empty if that is none.
    pub unit: String,
}

/// The word for the kind that families have in both formats.
pub const fn kind_word(is_counter: bool) -> &'static str {
    if is_counter { "counter" } else { "gauge" }
}

/// How the metrics begin that this program has about its exposition.
pub const OWN: &str = "alumet_exporter_";

/// What is said about a metric.
pub fn help(metric: &Metric) -> String {
    match metric.quality {
        Quality::Measured => metric.description.clone().into_owned(),
        quality => format!("{} ({quality})", metric.description),
    }
}

/// The unit in which a value is exposed, and its word in names.
fn exposed_unit(unit: &Unit, base_units: bool) -> (Unit, String) {
    let (base, word) = match (&unit.base, base_units) {
        (BaseUnit::WattHour | BaseUnit::Joule, true) | (BaseUnit::Joule, false) => {
            (BaseUnit::Joule, "joules")
        }
        (BaseUnit::Fahrenheit | BaseUnit::Celsius, true) | (BaseUnit::Celsius, false) => {
            (BaseUnit::Celsius, "celsius")
        }
        (BaseUnit::Bit | BaseUnit::Byte, true) | (BaseUnit::Byte, false) => (BaseUnit::Byte, "bytes"),
        (BaseUnit::Percent, true) => (BaseUnit::One, "ratio"),
        (BaseUnit::WattHour, false) => (BaseUnit::WattHour, "watt_hours"),
        (BaseUnit::Fahrenheit, false) => (BaseUnit::Fahrenheit, "fahrenheit"),
        (BaseUnit::Bit, false) => (BaseUnit::Bit, "bits"),
        (BaseUnit::Percent, false) => (BaseUnit::Percent, "percent"),
        (BaseUnit::One, _) => (BaseUnit::One, ""),
        (BaseUnit::Second, _) => (BaseUnit::Second, "seconds"),
        (BaseUnit::Watt, _) => (BaseUnit::Watt, "watts"),
        (BaseUnit::Volt, _) => (BaseUnit::Volt, "volts"),
        (BaseUnit::Ampere, _) => (BaseUnit::Ampere, "amperes"),
        (BaseUnit::Hertz, _) => (BaseUnit::Hertz, "hertz"),
        (custom @ BaseUnit::Custom { code, .. }, _) => (custom.clone(), &**code),
    };
    let word = words(word);
    match base_units {
        true => (Unit::plain(base), word),
        false => (
            Unit::plain(base).with_prefix(unit.prefix),
            format!("{}{word}", unit.prefix.word()),
        ),
    }
}

/// Letters and digits with an underscore between them: `g_CO2eq` of `g{CO2eq}`.
fn words(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("_")
}

/// The labels of attributes, each another. Those that need no change keep their names.
fn label_names(keys: &[&str], is_utf8: bool) -> Vec<Name> {
    let name_of = |key: &str| {
        let name = match is_utf8 {
            true => key.to_owned(),
            false => plain(key),
        };
        // Those that begin with two underscores are the scraper's.
        match RESERVED.contains(&&*name) || name.is_empty() || name.starts_with("__") {
            true => format!("alumet_attribute__{name}"),
            false => name,
        }
    };
    let unchanged = keys.iter().filter(|key| name_of(key) == **key);
    let mut taken: Vec<String> = unchanged.map(|key| (*key).to_owned()).collect();
    let mut tell_apart = |key: &&str| {
        let first = name_of(key);
        let mut name = first.clone();
        if first != *key {
            let mut number = 1;
            while taken.contains(&name) {
                number += 1;
                name = format!("{first}_{number}");
            }
            taken.push(name.clone());
        }
        Name::new(name, is_utf8)
    };
    keys.iter().map(&mut tell_apart).collect()
}

/// Whether a name needs neither quotes nor escapes.
fn is_plain(name: &str) -> bool {
    let is_in = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(is_in) && !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty()
}

/// The name with an underscore for whatever else it has.
fn plain(name: &str) -> String {
    let is_in = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut plain: String = name.chars().map(|c| if is_in(c) { c } else { '_' }).collect();
    if plain.starts_with(|c: char| c.is_ascii_digit()) {
        plain.insert(0, '_');
    }
    plain
}

/// The escaping that Prometheus calls `values`: the code of each character between underscores, and two of them for one.
fn escaped(name: &str) -> String {
    let mut out = "U__".to_owned();
    for c in name.chars() {
        match c {
            '_' => out.push_str("__"),
            c if c.is_ascii_alphanumeric() => out.push(c),
            c => out.push_str(&format!("_{:x}_", u32::from(c))),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use alumet_core::ValueType;

    use super::*;

    fn family(name: &str, kind: MetricKind, unit: Unit, naming: &Naming) -> (String, String) {
        let metric = Metric {
            name: name.to_owned().into(),
            kind,
            value_type: ValueType::F64,
            unit,
            description: "".into(),
            quality: Quality::Measured,
        };
        let family = naming.family(&metric, false);
        (family.name.name, family.unit)
    }

    #[test]
    fn a_family_ends_in_its_unit_and_has_no_name_of_another() {
        let default = Naming::default();
        let bare = Naming {
            suffix: String::new(),
            ..Naming::default()
        };
        let old = Naming {
            base_units: false,
            ..Naming::default()
        };
        let utf8 = Naming {
            utf8_names: true,
            ..Naming::default()
        };
        use MetricKind::{Counter, Delta, Gauge};
        for (name, kind, unit, naming, expected, word) in [
            (
                "energy",
                Delta,
                Unit::JOULE.milli(),
                &default,
                "energy_alumet_joules",
                "joules",
            ),
            (
                "energy",
                Delta,
                Unit::JOULE.milli(),
                &old,
                "energy_alumet_millijoules",
                "millijoules",
            ),
            (
                "energy",
                Delta,
                Unit::WATT_HOUR.kilo(),
                &default,
                "energy_alumet_joules",
                "joules",
            ),
            (
                "energy",
                Delta,
                Unit::WATT_HOUR.kilo(),
                &old,
                "energy_alumet_kilowatt_hours",
                "kilowatt_hours",
            ),
            ("cpu", Gauge, Unit::PERCENT, &default, "cpu_alumet_ratio", "ratio"),
            ("cpu", Gauge, Unit::PERCENT, &old, "cpu_alumet_percent", "percent"),
            ("files", Gauge, Unit::ONE, &default, "files_alumet", ""),
            (
                "carbon",
                Gauge,
                Unit::custom("g{CO2eq}", "g"),
                &bare,
                "carbon_g_CO2eq",
                "g_CO2eq",
            ),
            ("size_bytes", Gauge, Unit::BYTE, &bare, "size_bytes", "bytes"),
            ("sizebytes", Gauge, Unit::BYTE, &bare, "sizebytes_bytes", "bytes"),
            ("calls_total", Counter, Unit::ONE, &bare, "calls", ""),
            ("calls_total", Gauge, Unit::ONE, &bare, "calls_total_gauge", ""),
            (
                "calls_created",
                Counter,
                Unit::ONE,
                &bare,
                "calls_created_counter",
                "",
            ),
            (
                "alumet_exporter_series",
                Gauge,
                Unit::ONE,
                &bare,
                "alumet_exporter_series_gauge",
                "",
            ),
            ("1 für.alle", Gauge, Unit::ONE, &bare, "_1_f_r_alle", ""),
            ("1 für.alle", Gauge, Unit::ONE, &utf8, "1 für.alle_alumet", ""),
            ("", Gauge, Unit::ONE, &bare, "_", ""),
        ] {
            let found = family(name, kind, unit, naming);
            assert_eq!(found, (expected.to_owned(), word.to_owned()), "{name} {naming:?}");
        }
    }

    #[test]
    fn labels_that_would_be_the_same_are_told_apart() {
        let names = |keys: &[&str], is_utf8| -> Vec<String> {
            label_names(keys, is_utf8)
                .iter()
                .map(|name| name.get(false).to_owned())
                .collect()
        };
        assert_eq!(
            names(
                &["", "a b", "a.b", "a_b", "9", "__name__", "resource_id", "a:b"],
                false
            ),
            [
                "alumet_attribute__",
                "a_b_2",
                "a_b_3",
                "a_b",
                "_9",
                "alumet_attribute____name__",
                "alumet_attribute__resource_id",
                "a_b_4"
            ]
        );
        assert_eq!(
            names(&["a.b", "a_b", "U__a", "é"], true),
            ["U__a_2e_b", "a_b", "U__U____a", "U___e9_"]
        );
    }
}
