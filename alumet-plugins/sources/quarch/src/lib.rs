#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod device;
mod error;
mod metrics;
mod plugin;
mod source;

pub use config::Config;
pub use plugin::QuarchPlugin;
