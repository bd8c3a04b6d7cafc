//! From the configuration to the sources.

use std::sync::Arc;

use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};
use alumet_reader_cgroupfs::CgroupPath;
use alumet_reader_cgroupfs::layout::slurm::SlurmGroup;
use alumet_shared_cgroup_source::{CgroupMeasurement, CgroupTree, Claim, metrics};

use crate::config::Config;
use crate::resolver::{JobResolver, KEYS};

/// Measures the jobs of Slurm.
pub struct SlurmPlugin {
    /// Held so that the watch ends with the plugin.
    _tree: Option<Arc<CgroupTree>>,
}

impl Plugin for SlurmPlugin {
    const ID: &'static str = "slurm";
    const SUMMARY: &'static str = "Measures the jobs and steps of Slurm.";
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        metrics::all_with(KEYS)
    }

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        warn_of_old_keys(&config);
        if config.measurement.disable_sources && !config.annotate_foreign_measurements {
            return Ok(Self { _tree: None });
        }
        alumet.catalog().declare_attributes(config.keys());
        // What is in a job counts for the job, however deep it is.
        let claim: Claim = match config.ignore_non_jobs {
            true => Arc::new(|path: &CgroupPath| SlurmGroup::of(path).is_some()),
            false => Arc::new(|_: &CgroupPath| true),
        };
        let resolver = JobResolver::new(&config, alumet)?;
        let measurement = CgroupMeasurement {
            name: "slurm",
            poll_interval: config.poll_interval,
            cpu_percent_base: config.cpu_percent_base,
            config: config.measurement,
            claim: Some(claim),
            annotate_foreign: config.annotate_foreign_measurements,
        };
        let tree = measurement.start(resolver, alumet)?;
        Ok(Self { _tree: Some(tree) })
    }
}

fn warn_of_old_keys(config: &Config) {
    if config.cgroupv1_refresh_interval.is_some() {
        tracing::warn!(
            "`cgroupv1_refresh_interval` has no effect: version 1 is watched, too; remove the key"
        );
    }
    if let Some(is_paused) = config.add_source_in_pause_state {
        let remedy = match is_paused {
            true => {
                "remove the key, and let `alumet-agent ctl pause sources/slurm` hold the sources while the agent runs"
            }
            false => "remove the key",
        };
        tracing::warn!(
            remedy,
            "`add_source_in_pause_state` has no effect: measuring begins at once"
        );
    }
}
