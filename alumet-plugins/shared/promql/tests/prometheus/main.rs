//! The API over a list of samples, beside a real Prometheus that has the same samples.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod contract;
mod data;
mod reality;
mod rig;
