//! What the table `[plugins.filter]` holds.

use alumet_core::plugin::{ConfigFault, Faults};
use alumet_core::time::Monotonic;
use alumet_shared_metric_names::MetricNames;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which metrics are kept; without either list, all are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// The metrics that are kept, others are removed: names, in which `*` stands for any text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// The metrics that are removed, others are kept. Only one of the two lists can be given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

impl Config {
    /// The names that are listed, and whether those are kept.
    ///
    /// # Errors
    /// The key that is wrong and what would be right.
    pub(crate) fn names(&self, now: Monotonic) -> Result<(MetricNames, bool), Faults> {
        if !self.include.is_empty() && !self.exclude.is_empty() {
            let message = "`include` and `exclude` cannot both be given; remove one of them";
            return Err(ConfigFault::new("exclude", message).into());
        }
        if self.include.is_empty() {
            Ok((MetricNames::new("exclude", &self.exclude, now)?, false))
        } else {
            Ok((MetricNames::new("include", &self.include, now)?, true))
        }
    }
}
