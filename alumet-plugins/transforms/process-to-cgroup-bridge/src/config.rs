//! What the table `[plugins.process-to-cgroup-bridge]` holds.

use alumet_core::plugin::Faults;
use alumet_core::time::Monotonic;
use alumet_shared_metric_names::{Selection, SeriesPattern};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which samples of processes become samples of control groups, and what becomes of the former.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// What is measured of processes that control groups get, too: names of metrics, in which `*` stands for any text, or tables
    /// such as `{ metric = "memory_usage", kind = "resident" }`. Without any, nothing happens.
    pub processes_metrics: Vec<SeriesPattern>,
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
    /// The series that are meant.
    ///
    /// # Errors
    /// The patterns that cannot be understood.
    pub(crate) fn selection(&self, now: Monotonic) -> Result<Selection, Faults> {
        Selection::new("processes_metrics", &self.processes_metrics, now)
    }
}
