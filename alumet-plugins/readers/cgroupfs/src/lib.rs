#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod engine;
pub mod layout;
pub mod mount;
pub mod path;
pub mod stat;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod watch;

mod error;
mod keyed;

pub use alumet_reader_kernel_file::{ParseError, Parsed, ReadError};
pub use path::CgroupPath;
