#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod host;
mod plugin;
mod transform;

pub use config::{Config, Constant, HostFact};
pub use plugin::AnnotatePlugin;
