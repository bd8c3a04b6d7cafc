#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod filter;
mod involved;
mod plugin;
mod resolver;
mod users;

pub use config::{Config, OarVersion};
pub use plugin::OarPlugin;
