#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod answer;
mod config;
mod plugin;
mod source;

pub use config::{Config, Names};
pub use plugin::KwollectInputPlugin;
