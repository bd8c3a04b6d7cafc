#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod encode;
mod index;
mod output;
mod plugin;
mod template;
mod verdict;

pub use config::Config;
#[doc(hidden)]
pub use encode::{Bulk, Encoder};
pub use plugin::ElasticsearchPlugin;
