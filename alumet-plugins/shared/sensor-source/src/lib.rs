//! Sensors that the kernel shows as files with one number each.
//!
//! A plugin lists its sensors as [`Sensors`]: which files there are, and which series they feed. [`SensorSource`] polls them,
//! lists them anew when one vanishes and once per minute, and counts what it cannot believe. [`SensorClaims`] says which
//! sensors a plugin measures, so that no other measures the same joules.

#![forbid(unsafe_code)]

mod claims;
mod counter;
mod gauge;
mod number;
mod reading;
mod refused;
mod sensors;
mod source;

pub use claims::{Claim, SensorClaims};
pub use gauge::{Feed, Position, Quantity};
pub use number::{NumberFile, number};
pub use refused::refused_files;
pub use sensors::Sensors;
pub use source::SensorSource;
