#![doc = include_str!("../README.md")]

pub mod name;
pub mod pmu;

mod counters;
mod event;
mod libpfm;
mod terms;

pub use counters::{Counter, Counters, Reading, Target};
pub use event::{Code, Event, Modes, Place};
pub use libpfm::{Libpfm, LibpfmError};
pub use name::EventName;
pub use pmu::{Pmu, PmuEvent};
