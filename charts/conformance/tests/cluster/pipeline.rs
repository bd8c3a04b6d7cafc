//! The chart `telemetry-pipeline`.
