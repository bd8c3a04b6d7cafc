//! What those get who ask over the network.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod elsewhere;
mod gpus;
mod hostile;
mod layers;
mod page;
mod publish;
mod rig;
mod trust;
