//! What the table `[plugins.libvirt]` holds.

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use alumet_shared_cgroup_source::config::{CpuPercentBase, MeasurementConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is measured of virtual machines, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Time between two measurements. New machines, and those that have just ended, are measured in between.
    pub poll_interval: HumanDuration,
    /// Gives the samples of other plugins about a virtual machine, or about a process of one, the attributes of the machine.
    pub annotate_foreign_measurements: bool,
    /// What 100 % of `cpu_percent` means.
    pub cpu_percent_base: CpuPercentBase,
    /// How it is measured.
    #[serde(flatten)]
    pub measurement: MeasurementConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            poll_interval: HumanDuration::from_secs(5),
            annotate_foreign_measurements: false,
            cpu_percent_base: CpuPercentBase::default(),
            measurement: MeasurementConfig::default(),
        }
    }
}

impl Config {
    /// Refuses what types cannot.
    ///
    /// # Errors
    /// The keys that are wrong and what would be right.
    pub fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        self.measurement.check(self.poll_interval, &mut faults);
        faults.or_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_with_its_key() {
        let config: Config = toml::from_str("poll_interval = '0s'").unwrap();
        assert_eq!(config.check().unwrap_err().keys(), ["poll_interval"]);
    }
}
