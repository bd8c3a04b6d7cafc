//! The JSON record of GPU telemetry pipelines, which any program can read and write, and the samples that are in it.

#![forbid(unsafe_code)]

mod record;
mod samples;

pub use record::{MetricValue, TelemetryRecord};
pub use samples::{RecordSeries, of_node};
