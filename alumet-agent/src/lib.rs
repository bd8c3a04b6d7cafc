//! The measurement agent.

pub mod config;
