//! An output to a bulk API in a pipeline with a spool: what becomes of each sample while the server errs in every way.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of a test fails the test"
)]

mod faults;
mod kill;
mod output;
mod rig;
mod server;
