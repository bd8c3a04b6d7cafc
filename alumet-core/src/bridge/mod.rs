//! Bridges from other crates to [`instruments`](crate::instruments): what libraries count and time already, without a change of their
//! code. Each has a cargo feature of its name.

#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "tracing")]
mod tracing;

#[cfg(feature = "metrics")]
pub use metrics::MetricsRecorder;
#[cfg(feature = "tracing")]
pub use tracing::SpanDurations;

/// The bounds of histograms unless others are chosen: from 5 ms to 10 s, as clients of Prometheus have them.
pub const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
