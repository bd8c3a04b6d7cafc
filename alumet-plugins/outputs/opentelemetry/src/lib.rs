#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod answer;
mod config;
mod encode;
mod groups;
mod output;
mod plugin;
mod resource;
mod semantic;
mod stream;
mod wire;

pub use config::{Config, Protocol, Temporality};
#[doc(hidden)]
pub use encode::{Encoded, Encoder};
pub use plugin::OpentelemetryPlugin;
