//! From the configuration to the source, the transform and the output.

use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};
use alumet_core::{Consumer, Resource};

use crate::config::Config;
use crate::metrics;
use crate::output::StatsdOutput;
use crate::source::LoadSource;
use crate::transform::HighLoad;

/// Adds a source, a transform and an output.
#[derive(Debug)]
pub struct LoadWatchPlugin;

impl Plugin for LoadWatchPlugin {
    const ID: &'static str = "load-watch";
    const SUMMARY: &'static str = "Measures the load and sends it while it is high.";
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        metrics::all()
    }

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let metric = alumet.metric(&metrics::LOAD)?;
        let load = alumet
            .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
            .register();
        alumet.transform("high-load", HighLoad::new(load.id(), config.threshold));
        let file = alumet.root().join("proc/loadavg");
        alumet
            .source("load", LoadSource::new(file, load))
            .every(*config.poll_interval);
        let output = StatsdOutput::to(config.address)?;
        alumet.output("statsd", output).queue(config.queue);
        Ok(Self)
    }
}
