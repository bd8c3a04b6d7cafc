//! From the configuration to the transform.

use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};
use alumet_core::time::Monotonic;
use alumet_shared_metric_names::FilterConfig;

use crate::transform::Filter;

/// Keeps the samples of some series and removes those of others.
#[derive(Debug)]
pub struct FilterPlugin;

impl Plugin for FilterPlugin {
    const ID: &'static str = "filter";
    const SUMMARY: &'static str = "Keeps the samples of some series and removes those of others.";
    type Config = FilterConfig;

    fn check(config: &FilterConfig) -> Result<(), Faults> {
        config.filter(Monotonic::default()).map(|_| ())
    }

    fn start(config: FilterConfig, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let filter = config.filter(alumet.clock().now().monotonic)?;
        alumet.transform("metrics", Filter::new(filter));
        Ok(Self)
    }
}
