//! What the table `[plugins.amd-gpu]` holds.

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is measured of the graphics processors, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Time between two samples.
    pub poll_interval: HumanDuration,
    /// Time between two hand-overs of samples to the outputs.
    pub flush_interval: HumanDuration,
    /// Whether a graphics processor without any readable sensor is left out; otherwise it keeps the plugin from starting.
    pub skip_failed_devices: bool,
    /// Whether what each process uses is measured.
    pub processes: bool,
    /// Time between two looks for processes that have begun to use a graphics processor; what they use meanwhile counts with
    /// the first sample. A look goes through the open files of all processes: where these are very many, a longer time is
    /// cheaper.
    pub refresh_interval: HumanDuration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            poll_interval: HumanDuration::from_secs(1),
            flush_interval: HumanDuration::from_secs(5),
            skip_failed_devices: true,
            processes: true,
            refresh_interval: HumanDuration::from_secs(5),
        }
    }
}

impl Config {
    /// Refuses what types cannot.
    pub(crate) fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        faults.refuse_polls("poll_interval", *self.poll_interval);
        faults.refuse_zero("flush_interval", *self.flush_interval);
        faults.refuse_zero("refresh_interval", *self.refresh_interval);
        faults.or_ok()
    }
}
