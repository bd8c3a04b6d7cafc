#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod encode;
mod output;
mod plugin;
mod text;
mod verdict;

pub use config::{AttributesAs, Config, UnsignedAs};
#[doc(hidden)]
pub use encode::{Encoder, Lines};
pub use plugin::InfluxdbPlugin;
