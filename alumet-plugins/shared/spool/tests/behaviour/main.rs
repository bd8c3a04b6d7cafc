//! The spool as outputs and servers see it, on real files.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends with a panic when something is missing"
)]

mod bench;
mod cursors;
mod damage;
mod eviction;
mod faults;
mod kill;
mod model;
mod origins;
mod round_trip;
mod wanted;
