//! The part of the configuration that all plugins for control groups have.

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
pub use alumet_reader_procfs::CpuPercentBase;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How control groups are measured, with the same defaults in all plugins, which embed this with `#[serde(flatten)]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MeasurementConfig {
    /// Time between two hand-overs of samples to the outputs; without it they are handed on after each measurement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flush_interval: Option<HumanDuration>,
    /// Starts the plugin without measuring anything. If it annotates the samples of other plugins, it still does.
    pub disable_sources: bool,
    /// Which interface of the kernel is read.
    pub hierarchy: HierarchyChoice,
    /// What is measured of each control group, and how often.
    pub metrics: MetricsConfig,
}

impl MeasurementConfig {
    /// Refuses what types cannot.
    pub fn check(&self, poll_interval: HumanDuration, faults: &mut Faults) {
        faults.refuse_polls("poll_interval", *poll_interval);
        if let Some(interval) = self.flush_interval {
            faults.refuse_zero("flush_interval", *interval);
        }
        faults.refuse_polls("metrics.slow_interval", *self.metrics.slow_interval);
    }
}

/// Which interface of the kernel is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HierarchyChoice {
    /// The one that has the controllers: v2 where nothing else is mounted, else v1.
    #[default]
    Auto,
    /// The hierarchies of version 1.
    V1,
    /// The unified hierarchy.
    V2,
}

/// How often a group of metrics is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// Never.
    Off,
    /// At each poll.
    On,
    /// At the first poll after each `slow_interval`, and when a control group empties.
    Slow,
}

/// Which groups of metrics are measured, and how often. Each group costs one or more files per control group and poll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MetricsConfig {
    /// `cpu_time_delta` and `cpu_percent`.
    pub cpu: Pace,
    /// `memory_usage`, `memory_max`, `cgroup_memory_swap_current` and `cgroup_memory_swap_max`.
    pub memory: Pace,
    /// `cgroup_memory_anonymous`, `_file`, `_kernel_stack`, `_pagetables`, `cgroup_slab_reclaimable`, `cgroup_pswpin`
    /// and `cgroup_pswpout`. The kernel takes long to write this file.
    pub memory_stat: Pace,
    /// `io_pressure_some_total` and `io_pressure_full_total`.
    pub io_pressure: Pace,
    /// `cgroup_pressure_stall_time` of all resources.
    pub pressure: Pace,
    /// `cgroup_io_bytes` and `cgroup_io_operations`.
    pub io: Pace,
    /// `cgroup_cpu_throttled_time`, `cgroup_cpu_throttled_periods` and `cgroup_cpu_periods`.
    pub throttling: Pace,
    /// `cgroup_pids`.
    pub pids: Pace,
    /// `cgroup_memory_events`.
    pub memory_events: Pace,
    /// Time between two measurements of the groups that are `"slow"`.
    pub slow_interval: HumanDuration,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self {
            cpu: Pace::On,
            memory: Pace::On,
            memory_stat: Pace::On,
            io_pressure: Pace::On,
            pressure: Pace::Off,
            io: Pace::Off,
            throttling: Pace::Off,
            pids: Pace::Off,
            memory_events: Pace::Off,
            slow_interval: HumanDuration::from_secs(30),
        }
    }
}

impl MetricsConfig {
    /// Nothing: control groups are known and not read.
    pub(crate) fn none() -> Self {
        let off = Pace::Off;
        Self {
            cpu: off,
            memory: off,
            memory_stat: off,
            io_pressure: off,
            pressure: off,
            io: off,
            throttling: off,
            pids: off,
            memory_events: off,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_with_its_key() {
        let zero = HumanDuration::from_secs(0);
        let mut config = MeasurementConfig {
            flush_interval: Some(zero),
            ..MeasurementConfig::default()
        };
        config.metrics.slow_interval = zero;
        let mut faults = Faults::default();
        config.check(zero, &mut faults);
        let keys = faults.or_ok().unwrap_err().keys();
        assert_eq!(keys, ["poll_interval", "flush_interval", "metrics.slow_interval"]);
    }
}
