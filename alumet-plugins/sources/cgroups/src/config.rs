//! What the table `[plugins.cgroups]` holds.

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use alumet_shared_cgroup_source::config::{CpuPercentBase, MeasurementConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::filter::PathFilter;

/// Which control groups are measured, what of them, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Time between two measurements. New control groups, and those that have just emptied, are measured in between.
    pub poll_interval: HumanDuration,
    /// The control groups to measure, as patterns; an empty list means all. In a pattern `*` stands for any characters
    /// but `/`, `?` for one of them, and `**` as a whole component for any number of components, none included:
    /// `"/system.slice/**"` is the slice and all below it. Everything else stands for itself.
    pub include: Vec<String>,
    /// The control groups to leave out, as patterns like those of `include`; they win over it.
    pub exclude: Vec<String>,
    /// The depth of the deepest control groups to measure: 0 is the root, 1 are the groups in it. Without it there is
    /// no bound. A group contains what is below it, so nothing is lost but the detail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_depth: Option<usize>,
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
            include: Vec::new(),
            exclude: Vec::new(),
            max_depth: None,
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
        faults.keep(PathFilter::of(self));
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
            ("include = ['/a', 'b']", "include.1"),
            ("exclude = ['/a**']", "exclude.0"),
        ] {
            let config: Config = toml::from_str(text).unwrap();
            assert_eq!(config.check().unwrap_err().keys(), [key], "{text}");
        }
    }
}
