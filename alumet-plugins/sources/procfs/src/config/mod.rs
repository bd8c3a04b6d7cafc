//! What the table `[plugins.procfs]` holds.

mod check;
mod processes;

use std::time::Duration;

use alumet_core::duration::HumanDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use processes::{
    EventsConfig, GroupConfig, MemoryMode, PlanConfig, ProcessAttribute, ProcessMetric, ProcessesConfig,
    Strategy,
};

/// What is measured of the machine and of its processes, and how often.
///
/// A table whose files this kernel does not offer is left out with a warning; only when nothing at all can be
/// measured the plugin does not start.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// CPU time per state, context switches, forks, running and blocked threads.
    pub kernel: KernelConfig,
    /// Memory of the machine.
    pub memory: MemoryConfig,
    /// Traffic of the network interfaces.
    pub network: TableConfig,
    /// Requests and traffic of the block devices.
    pub disks: DisksConfig,
    /// Load averages.
    pub load: TableConfig,
    /// Stall times of CPU, memory, I/O and interrupts (PSI).
    pub pressure: TableConfig,
    /// Clock frequency of each CPU. Some drivers interrupt the CPU that is asked: do not poll it every few
    /// milliseconds.
    pub cpu_frequency: TableConfig,
    /// Temperature sensors. Some of them take milliseconds to answer: do not poll them every few milliseconds.
    pub temperatures: TableConfig,
    /// CPU time, memory and I/O of single processes.
    pub processes: ProcessesConfig,
}

impl Config {
    /// Nothing but the CPU time, memory and storage I/O of the process that calls this, every `interval`: for a program that
    /// measures itself.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use alumet_core::pipeline::PipelineBuilder;
    /// use alumet_plugin_procfs::{Config, ProcfsPlugin};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut builder = PipelineBuilder::new();
    /// builder.plugin::<ProcfsPlugin>(Config::this_process(Duration::from_secs(1)))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn this_process(interval: Duration) -> Self {
        let interval = HumanDuration(interval);
        let mut config = Self::default();
        for table in [
            &mut config.kernel.table,
            &mut config.memory.table,
            &mut config.network,
            &mut config.disks.table,
            &mut config.load,
            &mut config.pressure,
            &mut config.cpu_frequency,
            &mut config.temperatures,
        ] {
            table.enabled = false;
        }
        let processes = &mut config.processes;
        processes.groups = vec![GroupConfig {
            pid: Some(std::process::id()),
            poll_interval: interval,
            plan: PlanConfig {
                flush_interval: interval,
                io: true,
                ..PlanConfig::default()
            },
            ..GroupConfig::default()
        }];
        // It is there already, so that no other scan is needed.
        processes.refresh_interval = HumanDuration::from_secs(24 * 3600);
        processes.events.poll_interval = interval;
        config
    }
}

/// Whether and how often something is measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TableConfig {
    /// Whether it is measured.
    pub enabled: bool,
    /// Time between two measurements.
    pub poll_interval: HumanDuration,
}

/// What is taken from `/proc/stat`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct KernelConfig {
    /// Whether and how often it is measured.
    #[serde(flatten)]
    pub table: TableConfig,
    /// Whether the state `iowait` is measured as well. The kernel documents it as unreliable: it depends on the CPU on
    /// which a waiting thread happened to run, and can step back.
    pub iowait: bool,
}

/// What is taken from `/proc/meminfo`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MemoryConfig {
    /// Whether and how often it is measured.
    #[serde(flatten)]
    pub table: TableConfig,
    /// The entries of `/proc/meminfo` by the kernel's names. Each becomes a metric whose name is the entry in snake
    /// case: `"MemTotal"` becomes `mem_total`, `"Active(anon)"` becomes `active_anon`. An entry that this kernel does
    /// not have is left out with a warning.
    pub metrics: Vec<String>,
}

/// What is taken from `/proc/diskstats`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DisksConfig {
    /// Whether and how often it is measured.
    #[serde(flatten)]
    pub table: TableConfig,
    /// Whether partitions are measured besides whole disks. A sum over all devices then counts every request twice.
    pub partitions: bool,
}

impl Default for TableConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            poll_interval: HumanDuration::from_secs(5),
        }
    }
}

impl Default for MemoryConfig {
    fn default() -> Self {
        let metrics = [
            "MemTotal",
            "MemFree",
            "MemAvailable",
            "Cached",
            "SwapCached",
            "Active",
            "Inactive",
            "Mapped",
        ];
        Self {
            table: TableConfig::default(),
            metrics: metrics.map(str::to_owned).to_vec(),
        }
    }
}
