#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod encode;
mod output;
mod plugin;

pub use config::Config;
#[doc(hidden)]
pub use encode::{Encoder, Metrics};
pub use plugin::KwollectOutputPlugin;
