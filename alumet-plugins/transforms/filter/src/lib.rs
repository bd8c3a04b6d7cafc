#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod plugin;
mod transform;

pub use config::Config;
pub use plugin::FilterPlugin;
