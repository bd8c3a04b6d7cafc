//! What the table `[plugins.ipmi]` holds.

use std::path::PathBuf;

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which management controller is asked, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// The device of the management controller.
    pub device: PathBuf,
    /// Time between two samples. Controllers take milliseconds to answer, and bring the power up to date about once per second.
    pub poll_interval: HumanDuration,
    /// Time between two hand-overs of samples to the outputs.
    pub flush_interval: HumanDuration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            device: PathBuf::from("/dev/ipmi0"),
            poll_interval: HumanDuration::from_secs(1),
            flush_interval: HumanDuration::from_secs(5),
        }
    }
}

impl Config {
    /// Refuses what types cannot.
    pub(crate) fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        if !self.device.is_absolute() {
            faults.add("device", "write a whole path, such as \"/dev/ipmi0\"");
        }
        faults.refuse_polls("poll_interval", *self.poll_interval);
        faults.refuse_zero("flush_interval", *self.flush_interval);
        faults.or_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_values_are_refused_with_their_key() {
        for (toml, key) in [
            ("device = 'ipmi0'", "device"),
            ("poll_interval = '0s'", "poll_interval"),
            ("flush_interval = '0s'", "flush_interval"),
        ] {
            let config: Config = toml::from_str(toml).unwrap();
            assert_eq!(config.check().unwrap_err().keys(), [key], "{toml}");
        }
    }
}
