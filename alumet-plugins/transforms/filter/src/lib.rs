#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod plugin;
mod transform;

pub use alumet_shared_metric_names::FilterConfig as Config;
pub use plugin::FilterPlugin;
