#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod country;
mod intensity;
mod metrics;
mod model;
mod plugin;
mod server;
mod transform;

pub use config::{Config, CountryConfig, FileConfig, IntensityConfig, Mode, ServerConfig};
pub use plugin::EnergyToCarbonPlugin;
