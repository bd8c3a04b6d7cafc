//! What real NATS servers get, and what is said of those that take nothing.

#![expect(clippy::unwrap_used, reason = "a test ends with a panic when its tools fail")]

mod faults;
mod messages;
mod rig;
mod trust;
