//! What happens to the spool when the disk fails or the power goes, at every single operation on its files.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends with a panic when something is missing"
)]

mod faults;
mod power;
mod workload;
