//! Samples through real NATS servers: sent by the output `nats`, taken by this source.

#![expect(clippy::unwrap_used, reason = "a test ends with a panic when its tools fail")]

mod collectors;
mod letters;
mod rig;
mod round_trip;
mod servers;
