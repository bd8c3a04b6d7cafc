#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod fields;
pub mod pressure;
#[cfg(feature = "testkit")]
pub mod testkit;

mod error;
mod fill;
mod kept_file;
mod table;
mod units;

pub use error::{ParseError, Parsed, ReadError, errno, is_exhausted};
pub use fill::{Extent, fill};
pub use kept_file::KeptFile;
pub use table::Table;
pub use units::{page_size, ticks_per_second, ticks_to_ns};
