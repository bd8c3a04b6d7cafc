//! What processes use of graphics processors, as their drivers tell in `/proc/PID/fdinfo`.
//!
//! A plugin names the drivers and says which metric has which [`Part`] of the use; [`ProcessSource`] finds the processes and
//! makes the samples. A client, that is an open card, counts once, however many files and processes share it.

#![forbid(unsafe_code)]

mod client;
mod owner;
mod part;
mod process;
mod source;

pub use owner::attributes_of;
pub use part::{Describe, Described, Part};
pub use source::{ProcessSource, refused};
