#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod device;
mod metrics;
mod model;
mod plugin;
mod source;

pub use config::{Config, Point};
pub use plugin::EnergyEstimationTdpPlugin;
