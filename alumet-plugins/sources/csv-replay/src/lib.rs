#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod bad_rows;
mod config;
mod device;
mod error;
mod metrics;
mod pace;
mod plugin;
mod series;
mod source;
mod timestamps;

pub use config::{Config, Hosts, NoMatch, TimestampMode, WorkerMode};
pub use plugin::CsvReplayPlugin;
