#![doc = include_str!("../README.md")]

mod checkpoint;
mod compress;
mod config;
mod earlier;
mod encode;
mod error;
mod field;
mod file;
mod file_sink;
mod format;
mod growth;
mod header;
mod housekeeper;
mod inspect;
mod link;
mod metadata;
mod output;
mod plugin;
mod probe;
mod rotate;
mod stream_sink;

pub use alumet_core::size::ByteSize;
pub use config::{Compression, Config};
#[doc(hidden)]
pub use encode::Encoder;
pub use format::Dialect;
#[doc(hidden)]
pub use output::CsvOutput;
pub use plugin::CsvPlugin;
