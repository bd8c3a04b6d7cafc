//! From the configuration to the source.

use std::time::Duration;

use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{Faults, Finding, Plugin, StartContext, StartError};
use alumet_core::{Consumer, Resource};

use crate::bad_rows::BadRows;
use crate::config::{Config, NoMatch, TimestampMode, WorkerMode};
use crate::device::{ColumnNames, Replay, Wanted};
use crate::metrics;
use crate::pace::Pace;
use crate::source::CsvReplaySource;
use crate::timestamps::Timestamps;

/// Replays a file.
#[derive(Debug)]
pub struct CsvReplayPlugin;

/// The environment variable with the hosts whose rows are sent.
const HOSTS: &str = "HOSTNAME_LIST";

impl Plugin for CsvReplayPlugin {
    const ID: &'static str = "csv-replay";
    const SUMMARY: &'static str =
        "Replays measurements of GPUs from a CSV file, at a rate, as if they were measured now.";
    const OLD_KEYS: &'static [(&'static str, &'static str)] = &[("csv", "path"), ("csv-file", "path")];
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        metrics::all()
    }

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let replay = Replay::open(Wanted {
            hosts: config.host_filter.names(std::env::var(HOSTS).ok()),
            all_if_none: config.on_no_match == NoMatch::All,
            path: config.path,
            names: ColumnNames {
                id: config.id_column,
                host: config.host_column,
                time: config.time_column,
            },
            with_time: config.timestamp != TimestampMode::Now,
            repeat: config.repeat,
        })?;
        let found = match replay.metrics() {
            None => "a metric in each row".to_owned(),
            Some(names) => format!("these metrics in each row: {}", names.join(", ")),
        };
        alumet.note(Finding::works(replay.path().display().to_string(), found));
        alumet.catalog().declare_attributes(replay.attributes());
        let metric = alumet.metric(&metrics::CSV_REPLAY_BAD_ROWS)?;
        let bad_rows = alumet
            .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
            .register();
        let (rate, copies) = (
            config.rate * f64::from(config.workers),
            match config.worker_mode {
                WorkerMode::Partition => 1,
                WorkerMode::Replicate => config.workers,
            },
        );
        let timestamps = Timestamps::new(config.timestamp);
        let duration = config.duration.map(Duration::from);
        let pace = Pace::new(rate);
        let source = CsvReplaySource::new(replay, pace, timestamps, copies, duration, BadRows::new(bad_rows));
        // Files can be on disks that are slow, and on the network.
        alumet
            .source("csv-replay", source)
            .every(*config.poll_interval)
            .finest(*config.poll_interval)
            .blocking();
        Ok(Self)
    }
}
