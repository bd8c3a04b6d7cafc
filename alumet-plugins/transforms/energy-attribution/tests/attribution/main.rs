//! What the transform makes of the samples of a machine, or of several.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends with a panic when something is missing"
)]

mod conservation;
mod formulas;
mod gpus;
mod models;
mod stage;
mod truth;
