#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod cpu_online;
pub mod cpufreq;
pub mod diskstats;
pub mod hwmon;
pub mod loadavg;
pub mod meminfo;
pub mod net_dev;
pub mod pressure;
pub mod process;
pub mod stat;

mod entry_list;
mod error;
mod fields;
mod fill;
mod kept_file;
mod name;
mod root;
mod units;

pub use error::{ParseError, ReadError};
pub use name::Name;
pub use root::SystemRoot;
pub use units::{page_size, ticks_per_second};
