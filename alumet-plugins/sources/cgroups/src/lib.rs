#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod filter;
mod plugin;

pub use config::Config;
pub use plugin::CgroupsPlugin;
