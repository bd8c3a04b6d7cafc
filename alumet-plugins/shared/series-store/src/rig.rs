//! What the tests build: a store in a folder, a clock, series, and what is asked most.

use std::path::PathBuf;
use std::sync::Arc;

use alumet_core::catalog::MetricId;
use alumet_core::metric::Quality;
use alumet_core::series::{SeriesHandle, SeriesKey};
use alumet_core::testkit::ManualClock;
use alumet_core::{
    Attributes, Catalog, Consumer, Metric, MetricKind, Resource, Timestamp, Unit, Value, ValueType,
};
use alumet_shared_query::{Backend, Bucket, Budget, Limits, Range, Selector, Steps};

use crate::config::StoreConfig;
use crate::keeper::Keeper;
use crate::rows::{DAY, HOUR, MINUTE};
use crate::store::{SeriesStore, Shared};

/// The metric of the series in these tests.
pub(crate) fn energy(catalog: &Catalog) -> MetricId {
    let metric = catalog.register_metric(Metric {
        name: "energy".into(),
        kind: MetricKind::Delta,
        value_type: ValueType::U64,
        unit: Unit::JOULE,
        description: "For tests.".into(),
        quality: Quality::Measured,
    });
    metric.unwrap()
}

pub(crate) struct Rig {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) clock: ManualClock,
    pub(crate) catalog: Catalog,
}

/// In the middle of an hour.
pub(crate) const NOW: i64 = 600 * 30 * DAY + 13 * DAY + 7 * HOUR + 13 * MINUTE;

impl Rig {
    pub(crate) fn new() -> Self {
        let clock = ManualClock::new();
        clock.set_wall(Timestamp::from_nanos(NOW));
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock,
            catalog: Catalog::new(),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    /// A store of which the file is kept in order only when that is asked for.
    pub(crate) fn quiet(&self, config: StoreConfig) -> (SeriesStore, Keeper) {
        let shared = Shared::open(config, Arc::new(self.clock.clone())).unwrap();
        let keeper = Keeper::open(&shared).unwrap();
        (SeriesStore { shared, keeper: None }, keeper)
    }

    pub(crate) fn open(&self) -> SeriesStore {
        SeriesStore::open(StoreConfig::at(self.path()), Arc::new(self.clock.clone())).unwrap()
    }

    pub(crate) fn series(&self, resource: Resource, number: u32) -> SeriesHandle {
        self.catalog.register(SeriesKey {
            metric: energy(&self.catalog),
            resource,
            consumer: Consumer::Process { pid: number },
            attributes: Attributes::EMPTY.with("note", "a,\"b\""),
        })
    }

    pub(crate) fn write(&self, store: &SeriesStore, series: &SeriesHandle, samples: &[(i64, u64)]) {
        let mut batch = self.catalog.batch();
        for (at, value) in samples {
            batch.push_bits(series, Timestamp::from_nanos(*at), *value);
        }
        assert!(store.append(&self.catalog, batch.samples()).unwrap().is_empty());
    }
}

pub(crate) fn keep(store: &SeriesStore, keeper: &mut Keeper) {
    store.commit().unwrap();
    while keeper.step(&store.shared).unwrap() {}
}

pub(crate) fn wait<T>(answer: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(answer)
}

pub(crate) fn samples(store: &SeriesStore) -> Vec<(i64, Value)> {
    let budget = Budget::new(Limits::default());
    let answer = wait(store.samples(&Selector::default(), Range::ALL, None, &budget)).unwrap();
    let samples = answer.iter().flat_map(|series| series.iter());
    samples.map(|(at, value)| (at.as_nanos(), value)).collect()
}

pub(crate) fn buckets(store: &SeriesStore, start: i64, step: i64) -> Vec<Bucket> {
    let steps = Steps {
        start,
        step,
        count: 48,
    };
    let answer = wait(store.buckets(&Selector::default(), steps, &Budget::new(Limits::default()))).unwrap();
    answer.into_iter().flat_map(|series| series.buckets).collect()
}
