//! What the charts promise, on what helm makes of them. Without helm the tests are left out, aloud.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod alumet;
mod cases;
mod chart;
mod configurations;
mod faults;
mod pipeline;
mod policies;
mod reference;
mod references;
mod releases;
mod render;
mod renders;
mod rows;
mod schemas;
mod seeds;
mod switches;

use alumet_charts_conformance as program;
