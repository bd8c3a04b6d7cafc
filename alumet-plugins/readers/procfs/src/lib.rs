#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod cpu_online;
pub mod cpufreq;
pub mod cpuinfo;
pub mod diskstats;
pub mod hwmon;
pub mod loadavg;
pub mod meminfo;
pub mod net_dev;
pub mod net_namespace;
pub mod pressure;
pub mod process;
pub mod stat;

mod capacity;
mod root;

pub use alumet_reader_kernel_file::{
    ParseError, Parsed, ReadError, Table, is_exhausted, page_size, ticks_per_second,
};
pub use bstr::BString;
pub use capacity::{Capacity, CpuPercentBase};
pub use root::{SystemRoot, numbered};
