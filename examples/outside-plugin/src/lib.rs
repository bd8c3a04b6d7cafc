#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod metrics;
mod output;
mod plugin;
mod source;
mod transform;

pub use config::Config;
pub use plugin::LoadWatchPlugin;
