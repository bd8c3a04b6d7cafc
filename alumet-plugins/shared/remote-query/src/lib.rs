//! Backends that ask other servers.
//!
//! [`InfluxdbBackend`] asks an InfluxDB for what the plugin `influxdb` has written into it. [`CollectorsBackend`] asks several
//! programs such as this one, each of which [answers](answer) from a backend of its own, and gives their answers as one: so what
//! asks needs no store.

#![forbid(unsafe_code)]

mod collectors;
mod influxdb;
mod merge;

pub use collectors::{CollectorsBackend, CollectorsConfig, PATH, Partial, answer};
pub use influxdb::{InfluxdbBackend, InfluxdbConfig, Meaning, OldConfigError, from_old_config_json};
