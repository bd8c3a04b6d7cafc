#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod model;
mod plugin;
mod transform;

pub use config::Config;
pub use plugin::ProcessToCgroupBridgePlugin;
