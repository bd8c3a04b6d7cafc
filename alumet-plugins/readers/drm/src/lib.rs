#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod cards;
pub mod clients;
pub mod fdinfo;

pub use alumet_reader_procfs::{ReadError, SystemRoot};
pub use cards::{Card, cards};
pub use clients::{ClientFile, client_files};
pub use fdinfo::{ClientUsage, Engine, Region};
