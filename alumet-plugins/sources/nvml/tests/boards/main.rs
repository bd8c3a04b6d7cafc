//! What becomes of what the driver answers, whatever that is.

mod energy;
mod failures;
mod partitions;
mod processes;
#[path = "../simulated/mod.rs"]
mod simulated;
mod states;
mod threads;
