//! How metrics and series are called in Prometheus, and in which unit they are there.
//!
//! Whoever shows them to Prometheus, or answers in its place, takes the names from here, so that a dashboard works with both.

#![forbid(unsafe_code)]

mod names;
mod number;

pub use names::{FamilyName, Name, Naming, OWN, help, kind_word};
pub use number::{Number, Scale, can_count};
