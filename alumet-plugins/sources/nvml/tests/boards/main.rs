//! What becomes of what the driver answers, whatever that is.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod energy;
mod failures;
mod partitions;
mod processes;
#[path = "../simulated/mod.rs"]
mod simulated;
mod states;
mod threads;
