#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod model;
mod plugin;
mod transform;

pub use config::{Config, Functions};
pub use model::Function;
pub use plugin::AggregationPlugin;
