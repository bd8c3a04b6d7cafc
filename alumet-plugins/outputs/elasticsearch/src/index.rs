//! The names of indices, which servers restrict.

use alumet_core::metric::Metric;

use crate::config::Config;

/// The server takes no longer ones, in bytes.
const LONGEST: usize = 255;

/// Whether names of indices can begin with this.
pub(crate) fn is_prefix(prefix: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    // With a dot in front, indices are hidden.
    prefix.len() <= 100
        && prefix.chars().all(is_allowed)
        && !prefix.is_empty()
        && !prefix.starts_with(['-', '_', '.'])
}

/// The index of a metric: `alumet-cpu_time`. What such a name cannot hold becomes `_`, and upper case lower case.
pub(crate) fn name(metric: &Metric, config: &Config) -> String {
    let mut name = format!("{}-{}", config.index_prefix, metric.name);
    let unit = metric.unit.code();
    if config.metric_unit_as_index_suffix && !unit.is_empty() {
        name.push('-');
        name.push_str(&unit);
    }
    let allowed = |c: char| match c.is_alphanumeric() || "-_.+%".contains(c) {
        true => c,
        false => '_',
    };
    let mut name: String = name.to_lowercase().chars().map(allowed).collect();
    while name.len() > LONGEST {
        name.pop();
    }
    name
}

#[cfg(test)]
mod tests {
    use alumet_core::metric::{MetricKind, Quality};
    use alumet_core::{Unit, ValueType};

    use super::*;

    #[test]
    fn a_name_has_the_metric_and_its_unit_and_nothing_that_the_server_refuses() {
        for (metric, unit, with_unit, expected) in [
            ("cpu_time", Unit::SECOND.milli(), false, "alumet-cpu_time"),
            ("cpu_time", Unit::SECOND.milli(), true, "alumet-cpu_time-ms"),
            ("energy", Unit::JOULE, true, "alumet-energy-j"),
            (
                "co2",
                Unit::custom("g{CO2eq}", "gCO2"),
                true,
                "alumet-co2-g_co2eq_",
            ),
            ("load", Unit::ONE, true, "alumet-load-1"),
            ("A b/c\\d:e*\"é\n", Unit::ONE, false, "alumet-a_b_c_d_e__é_"),
            ("", Unit::ONE, false, "alumet-"),
        ] {
            let metric = Metric {
                name: metric.into(),
                kind: MetricKind::Gauge,
                value_type: ValueType::U64,
                unit,
                description: "For tests.".into(),
                quality: Quality::Measured,
            };
            let config = Config {
                metric_unit_as_index_suffix: with_unit,
                ..Config::default()
            };
            assert_eq!(name(&metric, &config), expected);
        }
    }

    #[test]
    fn a_name_that_is_too_long_is_cut_between_characters() {
        let metric = Metric {
            name: "é".repeat(300).into(),
            kind: MetricKind::Gauge,
            value_type: ValueType::U64,
            unit: Unit::ONE,
            description: "For tests.".into(),
            quality: Quality::Measured,
        };
        assert_eq!(name(&metric, &Config::default()).len(), 255);
    }
}
