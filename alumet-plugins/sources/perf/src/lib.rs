#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod announcements;
mod config;
mod counted;
mod machine;
mod metrics;
mod model;
mod notes;
mod plugin;
mod source;

pub use config::{Config, EventConfig};
pub use plugin::PerfPlugin;
