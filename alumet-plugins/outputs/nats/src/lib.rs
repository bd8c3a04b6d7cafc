#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod encode;
mod output;
mod place;
mod plugin;
mod publish;
mod records;

pub use config::{Config, Format, Subjects};
pub use plugin::NatsPlugin;
