#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod device;
mod metrics;
mod notes;
mod plugin;
mod source;

pub use config::{Config, InterfaceChoice};
pub use plugin::RaplPlugin;
