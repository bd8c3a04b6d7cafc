#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod connection;
mod encode;
mod output;
mod plugin;
mod series;
mod verdict;

pub use config::Config;
#[doc(hidden)]
pub use encode::Encoder;
pub use plugin::MongodbPlugin;
