#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod attributes;
mod config;
mod docker;
mod files;
mod keeper;
mod namer;
mod names;
mod plugin;
mod resolver;
mod trouble;

pub use config::{Config, NameSource, Sockets};
pub use plugin::ContainersPlugin;
