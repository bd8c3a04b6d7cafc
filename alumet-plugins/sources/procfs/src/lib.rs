#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod boot_clock;
mod config;
mod error;
mod increments;
mod metrics;
mod notes;
mod plugin;
mod present;
mod source;
mod watch;

pub use alumet_reader_procfs::CpuPercentBase;
pub use config::{
    Config, DisksConfig, EventsConfig, GroupConfig, KernelConfig, MemoryConfig, MemoryMode, PlanConfig,
    ProcessAttribute, ProcessMetric, ProcessesConfig, Strategy, TableConfig,
};
pub use plugin::ProcfsPlugin;
