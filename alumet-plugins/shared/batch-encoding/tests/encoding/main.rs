//! Batches on the way from one program to another.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends with a panic when something is missing"
)]

mod churn;
mod damage;
mod definitions;
mod format;
mod round_trip;
mod world;
