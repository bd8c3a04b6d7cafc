#![doc = include_str!("../README.md")]

mod config;
mod output;
mod plugin;

pub use config::{Config, Retention};
pub use plugin::StorePlugin;
