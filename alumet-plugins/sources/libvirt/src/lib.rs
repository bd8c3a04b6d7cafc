#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod definition;
mod plugin;
mod resolver;
mod xml;

pub use config::Config;
pub use plugin::LibvirtPlugin;
