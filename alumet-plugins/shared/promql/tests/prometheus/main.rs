//! The API over a list of samples, beside a real Prometheus that has the same samples.

mod backend;
mod contract;
mod data;
mod reality;
mod rig;
