//! What the table `[plugins.procfs.processes]` holds.

use alumet_core::duration::HumanDuration;
use alumet_reader_procfs::CpuPercentBase;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which processes are measured, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ProcessesConfig {
    /// Whether processes are measured.
    pub enabled: bool,
    /// Time between two scans for new processes. A process that starts and ends between two scans is not seen.
    pub refresh_interval: HumanDuration,
    /// How processes are found.
    pub strategy: Strategy,
    /// What 100 % of `cpu_percent` means.
    pub cpu_percent_base: CpuPercentBase,
    /// Which processes the watcher measures; of several groups that match, the first one has the process. Without any
    /// group, only announced processes are measured.
    pub groups: Vec<GroupConfig>,
    /// How announced processes are measured that are in no group.
    pub events: EventsConfig,
}

/// How processes are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// By scanning all processes for those that belong to a group, and by announcements.
    #[default]
    Watcher,
    /// By announcements alone, such as those of the process that `exec` starts. Groups are ignored; nothing is scanned.
    Event,
}

/// Processes that are measured alike. A process belongs to a group when it satisfies every condition that is given; a
/// group without conditions has all processes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct GroupConfig {
    /// The process with this number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The processes whose parent has this number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ppid: Option<u32>,
    /// The processes whose executable has a path in which this regular expression is found. A kernel thread, and a
    /// process whose executable may not be seen, has the empty path: `""` finds them too, `"."` does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exe_regex: Option<String>,
    /// The processes in whose command line this regular expression is found. Arguments are separated by one blank.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmdline_regex: Option<String>,
    /// Time between two measurements.
    pub poll_interval: HumanDuration,
    /// What is measured, and how.
    #[serde(flatten)]
    pub plan: PlanConfig,
}

/// How announced processes are measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct EventsConfig {
    /// Time between two measurements.
    pub poll_interval: HumanDuration,
    /// What is measured, and how.
    #[serde(flatten)]
    pub plan: PlanConfig,
}

/// What is measured of processes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PlanConfig {
    /// Time between two hand-overs of samples to the outputs.
    pub flush_interval: HumanDuration,
    /// How memory is read.
    pub memory_mode: MemoryMode,
    /// What is measured. Leaving out what is not needed makes a measurement cheaper, memory above all.
    pub metrics: Vec<ProcessMetric>,
    /// Whether reads from and writes to storage are measured. Of processes of other users that takes
    /// `CAP_SYS_PTRACE`; where it is refused, there are no samples.
    pub io: bool,
    /// What is added to the samples as attributes; it is read when a process is found and when it runs another program, not at
    /// each poll. Beware that command lines can hold secrets, and that each new value makes a new series.
    pub attributes: Vec<ProcessAttribute>,
}

/// How the memory of a process is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemoryMode {
    /// From `statm`: some microseconds, imprecise by some pages per CPU.
    #[default]
    Quick,
    /// From `smaps_rollup` as well, which adds the proportional size: up to milliseconds for a large process.
    SlowButAccurate,
}

/// Something that is measured of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProcessMetric {
    /// `cpu_time_delta`.
    CpuTime,
    /// `cpu_percent`.
    CpuPercent,
    /// `memory_usage`.
    Memory,
}

/// Something that can be told of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProcessAttribute {
    /// The name of the command, at most 15 bytes.
    Name,
    /// The command line, with one blank between arguments.
    Cmdline,
    /// The path of its control group, by which the processes of a pod, job, container or service are found: that of the consumer
    /// `cgroup`.
    Cgroup,
}

impl Default for ProcessesConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            refresh_interval: HumanDuration::from_secs(2),
            strategy: Strategy::default(),
            cpu_percent_base: CpuPercentBase::default(),
            groups: vec![GroupConfig {
                exe_regex: Some(String::new()),
                ..GroupConfig::default()
            }],
            events: EventsConfig::default(),
        }
    }
}

impl Default for GroupConfig {
    fn default() -> Self {
        Self {
            pid: None,
            ppid: None,
            exe_regex: None,
            cmdline_regex: None,
            poll_interval: HumanDuration::from_secs(2),
            plan: PlanConfig::default(),
        }
    }
}

impl Default for EventsConfig {
    fn default() -> Self {
        Self {
            poll_interval: HumanDuration::from_secs(1),
            plan: PlanConfig::default(),
        }
    }
}

impl Default for PlanConfig {
    fn default() -> Self {
        Self {
            flush_interval: HumanDuration::from_secs(4),
            memory_mode: MemoryMode::default(),
            metrics: vec![
                ProcessMetric::CpuTime,
                ProcessMetric::CpuPercent,
                ProcessMetric::Memory,
            ],
            io: false,
            attributes: vec![ProcessAttribute::Name, ProcessAttribute::Cgroup],
        }
    }
}
