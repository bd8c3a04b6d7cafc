use alumet_core::Catalog;
use alumet_core::plugin::Faults;
use alumet_core::series::SeriesInfo;
use alumet_core::time::Monotonic;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pattern::SeriesPattern;
use crate::selection::Selection;

/// Which series are kept; without either list, all are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FilterConfig {
    /// The series that are kept, others are removed: names of metrics, in which `*` stands for any text, or tables with
    /// `metric`, `resource_kind`, `resource_id`, `consumer_kind`, `consumer_id` and attributes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<SeriesPattern>,
    /// The series that are removed, also if `include` has them; written like those.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<SeriesPattern>,
}

/// Which series are kept.
#[derive(Debug, Clone)]
pub struct SeriesFilter {
    include: Selection,
    exclude: Selection,
}

impl FilterConfig {
    /// What it means, seen from `now` on.
    ///
    /// # Errors
    /// The patterns that cannot be understood.
    pub fn filter(&self, now: Monotonic) -> Result<SeriesFilter, Faults> {
        let mut faults = Faults::default();
        let include = faults.keep(Selection::new("include", &self.include, now));
        let exclude = faults.keep(Selection::new("exclude", &self.exclude, now));
        match include.zip(exclude) {
            Some((include, exclude)) => Ok(SeriesFilter { include, exclude }),
            None => Err(faults),
        }
    }
}

impl SeriesFilter {
    /// Whether the series is kept.
    pub fn keeps(&self, series: &SeriesInfo) -> bool {
        (self.include.is_empty() || self.include.contains(series)) && !self.exclude.contains(series)
    }

    /// Whether all series are kept.
    pub const fn keeps_all(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    /// When [`check`](Self::check) is to be called.
    pub fn check_at(&self) -> Option<Monotonic> {
        [self.include.check_at(), self.exclude.check_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// As [`Selection::check`].
    pub fn check(&mut self, catalog: &Catalog, now: Monotonic) {
        self.include.check(catalog, now);
        self.exclude.check(catalog, now);
    }
}
