#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod config;
pub mod membership;
pub mod metrics;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod tree;

mod annotation;
mod columns;
mod cpus;
mod devices;
mod group;
mod inquiry;
mod names;
mod notes;
mod resolver;
mod source;
mod start;
mod unresolved;

pub use inquiry::{Answer, Inquiry};
pub use resolver::{Claim, Resolution, Resolver, Wake};
pub use start::CgroupMeasurement;
pub use tree::CgroupTree;
