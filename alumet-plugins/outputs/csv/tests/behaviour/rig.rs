//! A catalog, batches and a clock for the tests.

use std::path::{Path, PathBuf};

use alumet_core::metric::Quality;
use alumet_core::output::{Delivery, Output};
use alumet_core::series::{SeriesHandle, SeriesKey};
use alumet_core::time::{Moment, Monotonic};
use alumet_core::{
    Attributes, Batch, Catalog, Consumer, Failure, Metric, MetricKind, Resource, Timestamp, Unit, Value,
    ValueType,
};
use alumet_plugin_csv::{Config, CsvOutput};

/// The start of the hour 2026-11-20T07:00:00Z.
pub(crate) const START: i64 = 1_795_158_000;

pub(crate) struct Rig {
    pub(crate) catalog: Catalog,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) now: Moment,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let now = Moment {
            wall: at(0),
            monotonic: Monotonic::from_nanos(1_000_000_000),
        };
        Self {
            catalog: Catalog::new(),
            folder: tempfile::tempdir().unwrap(),
            now,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The default configuration for `out.csv`.
    pub(crate) fn config(&self) -> Config {
        Config {
            output_path: self.path("out.csv"),
            ..Config::default()
        }
    }

    pub(crate) fn open(&self, config: &Config) -> CsvOutput {
        CsvOutput::open(config, self.now).unwrap()
    }

    pub(crate) fn wait(&mut self, seconds: u32) {
        let nanos = u64::from(seconds) * 1_000_000_000;
        self.now.wall = Timestamp::from_nanos(self.now.wall.as_nanos() + nanos as i64);
        self.now.monotonic = Monotonic::from_nanos(self.now.monotonic.as_nanos() + nanos);
    }

    pub(crate) fn series(
        &self,
        metric: &str,
        unit: Unit,
        value_type: ValueType,
        consumer: Consumer,
        attributes: Attributes,
    ) -> SeriesHandle {
        let metric = Metric {
            name: metric.to_owned().into(),
            kind: MetricKind::Gauge,
            value_type,
            unit,
            description: "For tests.".into(),
            quality: Quality::Measured,
        };
        let metric = self.catalog.register_metric(metric).unwrap();
        self.catalog.register(SeriesKey {
            metric,
            resource: Resource::LocalMachine,
            consumer,
            attributes,
        })
    }

    /// `count` samples of one plain series with one attribute `key`, with values from `first` on.
    pub(crate) fn counting(&self, key: &'static str, first: u64, count: u64) -> Batch {
        let attributes = Attributes::EMPTY.with(key, "x");
        let series = self.series("n", Unit::ONE, ValueType::U64, Consumer::LocalMachine, attributes);
        let mut batch = self.catalog.batch();
        for value in first..first + count {
            batch
                .push_value(&series, self.now.wall, Value::U64(value))
                .unwrap();
        }
        batch
    }

    pub(crate) fn write(&self, output: &mut CsvOutput, batch: &Batch) -> Result<(), Failure> {
        let delivery = Delivery::of(copy(batch), self.now);
        output.deliver(&delivery).map(drop)
    }

    /// The names of all files, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn copy(batch: &Batch) -> Batch {
    let mut copy = batch.catalog().batch();
    copy.extend(batch.samples());
    copy
}

/// What there is in a batch, to be delivered.
pub(crate) fn copy_of(batch: &Batch) -> Delivery {
    Delivery::of(copy(batch), Moment::default())
}

/// So many seconds after the start.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_nanos((START + seconds) * 1_000_000_000)
}

/// The values in a file that must begin with one header, in which the attribute columns are `attributes`.
pub(crate) fn values(path: &Path, attributes: &[&str]) -> Vec<u64> {
    values_of(&std::fs::read_to_string(path).unwrap(), attributes)
}

/// The same for text.
pub(crate) fn values_of(text: &str, attributes: &[&str]) -> Vec<u64> {
    let records = crate::reader::records(text, ';');
    let (header, lines) = records.split_first().expect("there is a header");
    assert_eq!(header[7..header.len() - 1], *attributes);
    assert!(lines.iter().all(|line| line.len() == header.len()));
    lines.iter().map(|line| line[2].parse().unwrap()).collect()
}
