#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod engine;
pub mod mount;
pub mod path;
pub mod stat;
pub mod watch;

mod error;
mod fields;

pub use error::{ParseError, ReadError};
pub use path::CgroupPath;
