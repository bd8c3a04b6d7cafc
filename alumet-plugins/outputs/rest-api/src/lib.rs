#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod asker;
mod config;
mod error;
mod live;
mod matching;
mod output;
mod page;
mod pipeline;
mod plugin;
mod prometheus;
mod routes;
mod scoped;
mod server;
mod state;
mod v1;

pub use config::{Config, QueryLimits};
pub use plugin::RestApiPlugin;
