//! What collectors have of what was sent.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod collector;
mod faults;
mod rotel;
mod sorts;
mod sums;
mod trial;
