#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod encode;
mod format;
mod labels;
mod output;
mod plugin;
mod server;
mod store;
mod top;

pub use config::{Config, Top};
#[doc(hidden)]
pub use format::Format;
pub use plugin::PrometheusExporterPlugin;
#[doc(hidden)]
pub use store::Store;
