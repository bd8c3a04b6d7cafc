//! Which metrics a transform is about: names with wildcards in its configuration.

#![forbid(unsafe_code)]

use std::time::Duration;

use alumet_core::Catalog;
use alumet_core::plugin::Faults;
use alumet_core::time::Monotonic;
use globset::{Glob, GlobMatcher};

/// Names of metrics, in which `*` stands for any text, `?` for any character and `[ab]` for one of several.
#[derive(Debug, Clone)]
pub struct MetricNames {
    patterns: Vec<GlobMatcher>,
    /// When it is said which names no metric has; `None` afterwards.
    check_at: Option<Monotonic>,
}

impl MetricNames {
    /// Metrics appear as sources and other nodes bring them; after this time a name that nothing has is likely wrong.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// The names that the configuration has under `key`, seen from `now` on.
    ///
    /// # Errors
    /// The names that cannot be understood.
    pub fn new(key: &str, names: &[String], now: Monotonic) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let parse = |(index, name): (usize, &String)| match Glob::new(name) {
            Ok(glob) => Some(glob.compile_matcher()),
            Err(error) => {
                let message = format!(
                    "`{name}` cannot be understood ({}); write a name, or `cpu_*`",
                    error.kind()
                );
                faults.add(&format!("{key}.{index}"), message);
                None
            }
        };
        let patterns = names.iter().enumerate().filter_map(parse).collect();
        faults.or_ok()?;
        Ok(Self {
            patterns,
            check_at: (!names.is_empty()).then(|| now + Self::PATIENCE),
        })
    }

    /// Whether the metric of that name is meant.
    pub fn contain(&self, metric: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.is_match(metric))
    }

    /// Whether no metric is meant.
    pub const fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// When [`check`](Self::check) is to be called.
    pub const fn check_at(&self) -> Option<Monotonic> {
        self.check_at
    }

    /// Says once, after a minute, which names no metric of the catalog has; gives them back.
    pub fn check(&mut self, catalog: &Catalog, now: Monotonic) -> Vec<&str> {
        if self.check_at.take_if(|at| now >= *at).is_none() {
            return Vec::new();
        }
        let metrics = catalog.metrics();
        let unknown = self
            .patterns
            .iter()
            .filter(|pattern| !metrics.iter().any(|metric| pattern.is_match(&*metric.name)));
        let unknown: Vec<_> = unknown.map(|pattern| pattern.glob().glob()).collect();
        if !unknown.is_empty() {
            tracing::warn!(
                names = unknown.join(", "),
                "no metric has these names so far; `alumet-agent plugins info` lists those that there are"
            );
        }
        unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alumet_core::MetricKind;
    use alumet_core::metric::{Metric, Quality};
    use alumet_core::unit::Unit;
    use alumet_core::value::ValueType;

    fn names(names: &[&str]) -> Result<MetricNames, Faults> {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        MetricNames::new("include", &names, Monotonic::from_nanos(0))
    }

    #[test]
    fn a_name_means_itself_and_a_star_anything() -> Result<(), Faults> {
        let names = names(&["energy", "cpu_*"])?;
        assert!(names.contain("energy") && names.contain("cpu_percent"));
        assert!(!names.contain("energy_total") && !names.contain("my_cpu_percent"));
        Ok(())
    }

    #[test]
    fn a_name_that_cannot_be_understood_is_refused() {
        let faults = names(&["energy", "cpu_[a", "["]).err();
        assert!(faults.is_some_and(|faults| {
            faults.keys() == ["include.1", "include.2"] && faults.to_string().contains("`cpu_[a`")
        }));
    }

    #[test]
    fn what_no_metric_has_is_said_once_after_a_minute() -> Result<(), Faults> {
        let catalog = Catalog::new();
        let mut names = names(&["energy", "energi"])?;
        let at = |seconds: u64| Monotonic::from_nanos(seconds * 1_000_000_000);
        assert!(names.check(&catalog, at(59)).is_empty());
        let metric = catalog.register_metric(Metric {
            name: "energy".into(),
            kind: MetricKind::Delta,
            value_type: ValueType::F64,
            unit: Unit::JOULE,
            description: "For tests.".into(),
            quality: Quality::Measured,
        });
        assert!(metric.is_ok());
        assert_eq!(names.check_at(), Some(at(60)));
        assert_eq!(names.check(&catalog, at(60)), ["energi"]);
        assert!(names.check(&catalog, at(61)).is_empty() && names.check_at().is_none());
        Ok(())
    }
}
