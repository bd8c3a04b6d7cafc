//! From the configuration to the sources.

use std::sync::Arc;

use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};
use alumet_reader_cgroupfs::CgroupPath;
use alumet_shared_cgroup_source::config::MeasurementConfig;
use alumet_shared_cgroup_source::{CgroupMeasurement, CgroupTree, Claim, metrics};

use crate::config::Config;
use crate::filter::JobFilter;
use crate::involved::InvolvedJobs;
use crate::resolver::{JobResolver, KEYS};

/// Measures the jobs of OAR.
pub struct OarPlugin {
    /// Held so that the watch ends with the plugin.
    _tree: Option<Arc<CgroupTree>>,
}

impl Plugin for OarPlugin {
    const ID: &'static str = "oar";
    const SUMMARY: &'static str = "Measures the jobs of OAR.";
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        metrics::all_with(KEYS)
    }

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        if config.measurement.disable_sources && !config.annotate_foreign_measurements {
            return Ok(Self { _tree: None });
        }
        alumet.catalog().declare_attributes(KEYS.iter().copied());
        let filter = JobFilter::of(&config, alumet.root())?;
        let claimed = filter.clone();
        // What is in a job counts for the job, however deep it is.
        let claim: Claim = match config.jobs_only {
            true => Arc::new(move |path: &CgroupPath| claimed.job(path).is_some()),
            false => Arc::new(move |path: &CgroupPath| claimed.takes(path)),
        };
        let measurement = CgroupMeasurement {
            name: "oar",
            poll_interval: config.poll_interval,
            cpu_percent_base: config.cpu_percent_base,
            config: MeasurementConfig {
                hierarchy: config.hierarchy(),
                ..config.measurement
            },
            claim: Some(claim),
            annotate_foreign: config.annotate_foreign_measurements,
        };
        let resolver = JobResolver::new(filter.clone(), config.jobs_only, alumet);
        let tree = measurement.start(resolver, alumet)?;
        if config.annotate_foreign_measurements {
            // After what gives samples their job.
            let events = alumet.events().subscribe();
            alumet.transform("involved-jobs", InvolvedJobs::new(events, filter));
        }
        Ok(Self { _tree: Some(tree) })
    }
}
