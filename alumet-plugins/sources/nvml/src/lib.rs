#![doc = include_str!("../README.md")]

mod config;
mod dcgm;
mod device;
mod discovery;
mod metrics;
mod plugin;
mod source;

pub use config::{Config, GpmMetric, Mode};
pub use plugin::NvmlPlugin;
