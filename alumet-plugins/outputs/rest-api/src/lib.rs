#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod asker;
mod config;
mod document;
mod error;
mod etag;
mod gateway;
mod guard;
mod health;
mod layers;
mod live;
mod matching;
mod missing;
mod output;
mod pace;
mod page;
mod plugin;
mod prometheus;
mod publish;
mod routes;
mod scoped;
mod server;
mod state;
mod tokens;
mod v1;

pub use config::{Config, Cors, QueryLimits};
pub use plugin::RestApiPlugin;
