//! The engine as a whole, on a clock that is moved by hand wherever time matters.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends with a panic when something is missing"
)]

mod accounts;
mod asynchronous;
mod building;
mod clocks;
mod control;
mod delivery;
mod destinations;
mod durable;
mod elements;
mod ending;
mod gated;
mod hanging;
mod last_values;
mod leaving;
mod measuring;
mod obstacles;
mod output_filter;
mod plugins;
mod recovery;
mod requests;
mod scheduling;
mod shutdown;
mod spool;
mod spooled;
mod supervision;
mod transforms;
mod waiting;
mod waking;
