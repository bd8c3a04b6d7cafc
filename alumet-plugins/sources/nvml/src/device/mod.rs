//! GPUs as NVML shows them. Knows no type of Alumet.
//!
//! Source of functions, field ids and units: the NVML API reference, <https://docs.nvidia.com/deploy/nvml-api/>.

mod board;
mod fields;
mod gpm;
mod library;
mod partition;
mod processes;
mod reading;
mod sleep;
mod states;

pub(crate) use board::{Board, Identity, list};
pub use gpm::GpmMetric;
pub(crate) use library::{Library, NvmlError, OpenError, Session};
pub(crate) use reading::{Count, Gauge, Process, Readings};
pub(crate) use sleep::all_asleep;
