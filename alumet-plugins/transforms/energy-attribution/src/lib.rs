#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;

mod formula;
mod history;
mod join;
mod metrics;
mod model;
mod node;
mod plugin;
mod spec;
mod transform;

pub use config::{Config, Formula, Model, ModelKind, Operand};
pub use plugin::EnergyAttributionPlugin;
