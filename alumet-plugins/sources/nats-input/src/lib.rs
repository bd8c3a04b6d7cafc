#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod collect;
mod config;
mod dead_letters;
mod decode;
mod floor;
mod known;
mod marks;
mod metrics;
mod plugin;
mod report;
mod source;

pub use config::Config;
pub use plugin::NatsInputPlugin;
