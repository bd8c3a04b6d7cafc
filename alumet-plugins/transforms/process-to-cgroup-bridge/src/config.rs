//! What the table `[plugins.process-to-cgroup-bridge]` holds.

use alumet_core::plugin::Faults;
use alumet_core::time::Monotonic;
use alumet_shared_metric_names::MetricNames;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which samples of processes become samples of control groups, and what becomes of the former.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// The metrics of processes that control groups get, too: names, in which `*` stands for any text. Without any, nothing
    /// happens.
    pub processes_metrics: Vec<String>,
    /// Whether the samples that processes of one group have at one time are added up; otherwise the group has as many.
    pub merge_similar_cgroups: bool,
    /// Whether the samples of the processes are kept beside those of the groups.
    pub keep_processed_measurements: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            processes_metrics: Vec::new(),
            merge_similar_cgroups: true,
            keep_processed_measurements: true,
        }
    }
}

impl Config {
    /// The metrics that are meant.
    ///
    /// # Errors
    /// The names that cannot be understood.
    pub(crate) fn names(&self, now: Monotonic) -> Result<MetricNames, Faults> {
        MetricNames::new("processes_metrics", &self.processes_metrics, now)
    }
}
