//! Sensors that the kernel shows as files with one number each.
//!
//! A plugin lists its sensors as [`Sensors`]: which files there are, and which series they feed. [`SensorSource`] polls them,
//! lists them anew when one vanishes and once per minute, and counts what it cannot believe. [`SensorClaims`] says which
//! sensors a plugin measures, so that no other measures the same joules.

#![forbid(unsafe_code)]

mod claims;
mod number;
mod sensors;
mod source;

pub use claims::{Claim, SensorClaims};
pub use number::{NumberFile, number};
pub use sensors::{Feed, Position, Quantity, Sensors};
pub use source::SensorSource;
