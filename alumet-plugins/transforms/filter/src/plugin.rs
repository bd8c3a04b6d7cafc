//! From the configuration to the transform.

use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};
use alumet_core::time::Monotonic;

use crate::config::Config;
use crate::transform::Filter;

/// Keeps the samples of some metrics and removes those of others.
#[derive(Debug)]
pub struct FilterPlugin;

impl Plugin for FilterPlugin {
    const ID: &'static str = "filter";
    const SUMMARY: &'static str = "Keeps the samples of some metrics and removes those of others.";
    type Config = Config;

    fn check(config: &Config) -> Result<(), Faults> {
        config.names(Monotonic::default()).map(|_| ())
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let (names, keep) = config.names(alumet.clock().now().monotonic)?;
        alumet.transform("metrics", Filter::new(names, keep));
        Ok(Self)
    }
}
