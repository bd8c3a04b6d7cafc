//! The home-made plugin: reads `/proc/uptime`.

use std::fs;
use std::path::PathBuf;

use alumet_core::duration::HumanDuration;
use alumet_core::failure::OrFail;
use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};
use alumet_core::source::{Accumulator, Source};
use alumet_core::unit::Unit;
use alumet_core::{Consumer, Failure, Resource, Series};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

alumet_core::metrics! {
    UPTIME = Gauge<f64> {
        name: "uptime",
        unit: Unit::SECOND,
        description: "Time since the machine has started.",
    };
}

/// Adds the source.
#[derive(Debug)]
pub(crate) struct UptimePlugin;

/// The table `[plugins.uptime]`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Config {
    /// Time between two readings.
    poll_interval: HumanDuration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            poll_interval: HumanDuration::from_secs(1),
        }
    }
}

impl Plugin for UptimePlugin {
    const ID: &'static str = "uptime";
    const SUMMARY: &'static str = "Measures how long the machine has been up.";
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        all()
    }

    fn check(config: &Config) -> Result<(), Faults> {
        let mut faults = Faults::default();
        faults.refuse_polls("poll_interval", *config.poll_interval);
        faults.or_ok()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let metric = alumet.metric(&UPTIME)?;
        let series = alumet
            .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
            .register();
        let file = alumet.root().join("proc/uptime");
        alumet
            .source("uptime", UptimeSource { file, series })
            .every(*config.poll_interval);
        Ok(Self)
    }
}

struct UptimeSource {
    file: PathBuf,
    series: Series<f64>,
}

impl Source for UptimeSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        // Not being able to read now may be better at the next tick: `?` asks for another try.
        let text = fs::read_to_string(&self.file)?;
        let seconds: f64 = text.split(' ').next().unwrap_or_default().parse().or_skip()?;
        out.push(&self.series, seconds);
        Ok(())
    }
}
