//! What those get who ask over the network, and what real scrapers make of it.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod endpoint;
mod reality;
mod rig;
mod trust;
