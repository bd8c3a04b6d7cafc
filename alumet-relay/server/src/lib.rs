#![doc = include_str!("../README.md")]

mod acknowledge;
mod authenticate;
mod config;
mod connection;
mod flow;
mod frames;
mod listener;
mod metrics;
mod plugin;
mod refusal;
mod registry;
mod reporter;
mod seat;
mod sequence;
mod service;
mod session;
mod source;
mod state;
mod tally;
mod throttle;
mod trial;
mod trust;

pub use config::Config;
pub use plugin::RelayServerPlugin;
pub use source::RelaySource;
