#![doc = include_str!("../README.md")]

mod config;
mod dcmi;
mod device;
mod error;
mod metrics;
mod plugin;
mod source;

pub use config::Config;
pub use plugin::IpmiPlugin;
