#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod config;
pub mod metrics;
pub mod tree;

mod columns;
mod cpus;
mod devices;
mod group;
mod notes;
mod resolver;
mod source;
mod start;

pub use resolver::{Resolution, Resolver};
pub use start::CgroupMeasurement;
pub use tree::CgroupTree;
