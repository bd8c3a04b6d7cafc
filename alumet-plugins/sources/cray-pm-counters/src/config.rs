//! What the table `[plugins.cray-pm-counters]` holds.

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How often the counters are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Time between two samples. The node controller measures ten times per second: in between there is nothing new, and so no
    /// sample.
    pub poll_interval: HumanDuration,
    /// Time between two hand-overs of samples to the outputs.
    pub flush_interval: HumanDuration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            poll_interval: HumanDuration::from_secs(1),
            flush_interval: HumanDuration::from_secs(5),
        }
    }
}

impl Config {
    /// Refuses what types cannot.
    pub(crate) fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        faults.refuse_polls("poll_interval", *self.poll_interval);
        faults.refuse_zero("flush_interval", *self.flush_interval);
        faults.or_ok()
    }
}
