#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod device;
mod metrics;
mod plugin;
mod source;

pub use config::{Config, Login};
pub use plugin::RedfishPlugin;
