//! Reads the wanted statistics of thousands of control groups, poll after poll.

mod descriptors;
mod file;
mod reading;
mod slot;
mod specs;
mod wanted;

pub use file::FileEngine;
pub use reading::Reading;
pub use wanted::{Stat, Wanted};

/// A control group that an engine reads. It belongs to the engine that gave it out; close it there.
#[derive(Debug, PartialEq, Eq, Hash)]
#[must_use = "a control group that is never closed keeps its files open"]
pub struct SlotId(usize);
