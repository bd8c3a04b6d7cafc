//! What the table `[plugins.libvirt]` holds.

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use alumet_shared_cgroup_source::config::{CpuPercentBase, HierarchyChoice, MetricsConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is measured of virtual machines, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Time between two measurements. New machines, and those that have just ended, are measured in between.
    pub poll_interval: HumanDuration,
    /// Time between two hand-overs of samples to the outputs; without it they are handed on after each measurement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flush_interval: Option<HumanDuration>,
    /// Starts the plugin without measuring anything.
    pub disable_sources: bool,
    /// Gives the samples of other plugins about a virtual machine, or about a process of one, the attributes of the machine.
    pub annotate_foreign_measurements: bool,
    /// Which interface of the kernel is read.
    pub hierarchy: HierarchyChoice,
    /// What 100 % of `cpu_percent` means.
    pub cpu_percent_base: CpuPercentBase,
    /// What is measured of each virtual machine, and how often.
    pub metrics: MetricsConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            poll_interval: HumanDuration::from_secs(5),
            flush_interval: None,
            disable_sources: false,
            annotate_foreign_measurements: false,
            hierarchy: HierarchyChoice::default(),
            cpu_percent_base: CpuPercentBase::default(),
            metrics: MetricsConfig::default(),
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
        faults.refuse_polls("poll_interval", *self.poll_interval);
        if let Some(interval) = self.flush_interval {
            faults.refuse_zero("flush_interval", *interval);
        }
        self.metrics.check("metrics", &mut faults);
        faults.or_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_with_its_key() {
        for (text, key) in [
            ("poll_interval = '0s'", "poll_interval"),
            ("flush_interval = '0s'", "flush_interval"),
            ("metrics.slow_interval = '0s'", "metrics.slow_interval"),
        ] {
            let config: Config = toml::from_str(text).unwrap();
            assert_eq!(config.check().unwrap_err().keys(), [key], "{text}");
        }
    }
}
