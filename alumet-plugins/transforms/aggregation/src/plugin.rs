//! From the configuration to the transform.

use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};
use alumet_shared_metric_names::Selection;

use crate::config::Config;
use crate::transform::Aggregation;

/// Aggregates metrics over windows of time.
#[derive(Debug)]
pub struct AggregationPlugin;

impl Plugin for AggregationPlugin {
    const ID: &'static str = "aggregation";
    const SUMMARY: &'static str = "Sums, means and extremes of metrics over windows of time.";
    type Config = Config;

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let selection = Selection::new("metrics", &config.metrics, alumet.clock().now().monotonic)?;
        alumet
            .transform("windows", Aggregation::new(&config, selection))
            .after("energy-attribution");
        Ok(Self)
    }
}
