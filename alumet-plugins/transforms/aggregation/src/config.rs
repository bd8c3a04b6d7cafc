//! What the table `[plugins.aggregation]` holds.

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use alumet_core::time::Monotonic;
use alumet_shared_metric_names::{Selection, SeriesPattern};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Function;

/// Which metrics are aggregated, how, and over which time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// The length of a window. Windows begin at multiples of it since 1970, so those of `1m` at every full minute.
    pub interval: HumanDuration,
    /// What becomes of the values of a window: `sum`, `mean`, `min`, `max`, `last`, or the `count` of them.
    pub function: Function,
    /// The series that are aggregated: names of metrics, in which `*` stands for any text, or tables with `metric`,
    /// `resource_kind`, `resource_id`, `consumer_kind`, `consumer_id` and attributes. Others pass unchanged.
    pub metrics: Vec<SeriesPattern>,
    /// How long after its end a window waits for samples of sources that do not say how far they are, or that have
    /// stopped.
    pub lateness: HumanDuration,
    /// Whether the samples that were aggregated are kept, too.
    pub keep_originals: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: HumanDuration::from_secs(60),
            function: Function::Sum,
            metrics: Vec::new(),
            lateness: HumanDuration::from_secs(5),
            keep_originals: false,
        }
    }
}

impl Config {
    /// Refuses what types cannot.
    ///
    /// # Errors
    /// The key that is wrong and what would be right.
    pub(crate) fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        faults.refuse_zero("interval", *self.interval);
        let longest = HumanDuration::from_secs(366 * 86_400);
        if self.interval > longest {
            faults.add("interval", format!("a window can last {longest} at most"));
        }
        faults.keep(Selection::new("metrics", &self.metrics, Monotonic::default()));
        faults.or_ok()
    }
}
