#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod jobs;
mod plugin;
mod resolver;

pub use config::{Config, JobAttribute, JobLevel};
pub use plugin::SlurmPlugin;
