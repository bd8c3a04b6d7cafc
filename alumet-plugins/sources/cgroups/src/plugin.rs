//! From the configuration to the sources.

use std::sync::Arc;

use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};
use alumet_shared_cgroup_source::{CgroupMeasurement, CgroupTree, metrics};

use crate::config::Config;
use crate::filter::PathFilter;

/// Measures control groups.
pub struct CgroupsPlugin {
    /// Held so that the watch ends with the plugin.
    _tree: Option<Arc<CgroupTree>>,
}

impl Plugin for CgroupsPlugin {
    const ID: &'static str = "cgroups";
    const SUMMARY: &'static str = "Measures CPU time, memory, pressure and I/O of control groups.";
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        metrics::all()
    }

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        if config.measurement.disable_sources {
            return Ok(Self { _tree: None });
        }
        let filter = PathFilter::of(&config)?;
        let measurement = CgroupMeasurement {
            name: "cgroups",
            poll_interval: config.poll_interval,
            cpu_percent_base: config.cpu_percent_base,
            config: config.measurement,
            claim: None,
            annotate_foreign: false,
        };
        let tree = measurement.start(filter, alumet)?;
        Ok(Self { _tree: Some(tree) })
    }
}
