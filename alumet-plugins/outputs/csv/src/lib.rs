#![doc = include_str!("../README.md")]

mod compress;
mod config;
mod diagnose;
mod encode;
mod error;
mod field;
mod file;
mod file_sink;
mod header;
mod housekeeper;
mod inspect;
mod output;
mod plugin;
mod rotate;
mod size;
mod stream_sink;

pub use config::{Compression, Config, QueueConfig};
#[doc(hidden)]
pub use encode::{Encoder, LineFormat, UnitStyle};
#[doc(hidden)]
pub use header::Header;
#[doc(hidden)]
pub use output::CsvOutput;
pub use plugin::CsvPlugin;
pub use size::ByteSize;
