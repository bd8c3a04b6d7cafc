//! Spans of [`tracing`]: how long what the pipeline does takes, for a program that collects traces.
//!
//! | span | fields |
//! |---|---|
//! | `start plugin` | `plugin` |
//! | `deliver`: an attempt of an output | `element`, `samples` |
//!
//! One that fails says why in `otel.status_description`, which `tracing-opentelemetry` knows. Outside of a program that chooses
//! [`TARGET`] at the level debug, they cost a look at one number.

/// The target of all spans.
pub const TARGET: &str = "telemetry";
