//! The queries of the dashboards and rules, asked of a real Prometheus that has scraped real programs, and of the server's own
//! Prometheus API.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod alerts;
mod api;
mod dashboard;
mod data;
mod http;
mod layout;
mod machine;
mod names;
mod rig;
