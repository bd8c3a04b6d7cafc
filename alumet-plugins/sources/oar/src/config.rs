//! What the table `[plugins.oar]` holds.

use std::path::PathBuf;

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use alumet_shared_cgroup_source::config::{CpuPercentBase, HierarchyChoice, MeasurementConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which jobs are measured, and what others are told about them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Time between two measurements. New jobs, and those that have just ended, are measured in between.
    pub poll_interval: HumanDuration,
    /// Which version of OAR has made the jobs that are measured.
    pub oar_version: OarVersion,
    /// A folder in a mounted hierarchy, such as `"/sys/fs/cgroup/oar.slice"`: what is not below it is left out. Without it, jobs
    /// are found wherever they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Whether only jobs are measured. With `false` the plugin measures all control groups, and the plugin `cgroups` none.
    pub jobs_only: bool,
    /// Whether samples of other plugins about a job, or about a process in it, get the attributes of the job, and all others that are
    /// of no job the attribute `involved_jobs` with the jobs that are running.
    pub annotate_foreign_measurements: bool,
    /// What 100 % of `cpu_percent` means.
    pub cpu_percent_base: CpuPercentBase,
    /// How it is measured.
    #[serde(flatten)]
    pub measurement: MeasurementConfig,
}

/// Which version of OAR has made a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OarVersion {
    /// Any.
    #[default]
    Auto,
    /// OAR 2, which uses the hierarchies of version 1.
    Oar2,
    /// OAR 3, which uses the unified hierarchy.
    Oar3,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            poll_interval: HumanDuration::from_secs(1),
            oar_version: OarVersion::default(),
            path: None,
            jobs_only: true,
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
        if self.path.as_ref().is_some_and(|path| path.is_relative()) {
            faults.add(
                "path",
                "it must begin with `/`, such as `\"/sys/fs/cgroup/oar.slice\"`",
            );
        }
        faults.or_ok()
    }

    /// The hierarchy in which the jobs are.
    pub(crate) fn hierarchy(&self) -> HierarchyChoice {
        match (self.measurement.hierarchy, self.oar_version) {
            (HierarchyChoice::Auto, OarVersion::Oar2) => HierarchyChoice::V1,
            (HierarchyChoice::Auto, OarVersion::Oar3) => HierarchyChoice::V2,
            (choice, _) => choice,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_with_its_key() {
        for (text, key) in [
            ("poll_interval = '0s'", "poll_interval"),
            ("path = 'oar.slice'", "path"),
        ] {
            let config: Config = toml::from_str(text).unwrap();
            assert_eq!(config.check().unwrap_err().keys(), [key], "{text}");
        }
    }

    #[test]
    fn the_keys_of_the_original_are_taken() {
        for text in [
            "path = '/sys/fs/cgroup/'\npoll_interval = '1s'",
            "oar_version = 'oar3'\njobs_only = true\ndisable_sources = false\nannotate_foreign_measurements = false",
            "oar_version = 'oar2'\npoll_interval = '5s'",
        ] {
            let config: Config = toml::from_str(text).unwrap();
            assert!(config.check().is_ok(), "{text}");
        }
    }

    #[test]
    fn a_version_of_oar_stands_for_its_hierarchy_unless_that_is_chosen() {
        for (text, expected) in [
            ("", HierarchyChoice::Auto),
            ("oar_version = 'oar2'", HierarchyChoice::V1),
            ("oar_version = 'oar3'", HierarchyChoice::V2),
            ("oar_version = 'oar3'\nhierarchy = 'v1'", HierarchyChoice::V1),
        ] {
            let config: Config = toml::from_str(text).unwrap();
            assert_eq!(config.hierarchy(), expected, "{text}");
        }
    }
}
