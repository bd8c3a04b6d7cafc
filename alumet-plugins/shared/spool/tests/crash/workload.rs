//! What the spool does while the disk fails, and what must be there afterwards.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::series::Series;
use alumet_core::spool::{InstanceId, Origin, Spool, SpoolReader, Spooled};
use alumet_core::unit::Unit;
use alumet_core::{Batch, Catalog, Consumer, Resource, Timestamp, Value};
use alumet_shared_spool::{DiskSpool, SpoolConfig};

/// Readers that nobody tells of records.
pub(crate) trait Readers {
    fn reader_of(&self, output: &str) -> Arc<dyn SpoolReader>;
}

impl<S: Spool + ?Sized> Readers for S {
    fn reader_of(&self, output: &str) -> Arc<dyn SpoolReader> {
        self.reader(output, Box::new(|| ()))
    }
}

alumet_core::metrics! {
    NUMBER = Gauge<u64> {
        name: "number",
        unit: Unit::ONE,
        description: "For tests.",
        resources: ["local_machine"],
        consumers: ["local_machine"],
        attributes: [],
    };
}

pub(crate) const SENDER: InstanceId = InstanceId([5; 16]);
const PATIENCE: Duration = Duration::from_secs(20);

/// What the spool has promised.
#[derive(Debug, Clone, Default)]
pub(crate) struct Promise {
    /// Batches up to this one were appended and committed.
    pub(crate) appended: u64,
    /// The output was done with batches up to this one when it was committed, and stored its number.
    pub(crate) acknowledged: u64,
    /// The output may be done with more than that.
    pub(crate) tried: u64,
}

pub(crate) struct Workload {
    pub(crate) catalog: Catalog,
    series: Series<u64>,
    pub(crate) config: SpoolConfig,
    /// The last batch that was appended.
    pub(crate) last: u64,
    pub(crate) promise: Promise,
}

impl Workload {
    pub(crate) fn new(folder: &Path) -> Self {
        let catalog = Catalog::new();
        let metric = catalog.metric(&NUMBER).unwrap();
        let series = catalog
            .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
            .register();
        let config = SpoolConfig {
            path: Some(folder.join("spool.db")),
            commit_interval: Duration::ZERO,
            retry_interval: Duration::from_millis(1),
            root: folder.to_owned(),
            ..SpoolConfig::default()
        };
        Self {
            catalog,
            series,
            config,
            last: 0,
            promise: Promise::default(),
        }
    }

    pub(crate) fn open(&self) -> Arc<DiskSpool> {
        DiskSpool::open(self.config.clone(), self.catalog.clone())
    }

    /// Appends a batch with as many samples as it likes, that tells its number.
    pub(crate) fn append(&mut self, spool: &DiskSpool) {
        self.last += 1;
        let mut batch = self.catalog.batch();
        let mut noise = self.last;
        batch.push(&self.series, Timestamp::from_nanos(self.last as i64), self.last);
        for _ in 0..self.last * 37 % 150 {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            batch.push(&self.series, Timestamp::from_nanos(self.last as i64), noise);
        }
        batch.set_origin(Origin {
            instance: SENDER,
            sequence: self.last,
            checksum: self.last as u32,
        });
        spool.append(&Arc::new(batch));
    }

    pub(crate) fn commit(&mut self, spool: &DiskSpool) {
        assert!(spool.commit(PATIENCE), "{:?}", spool.status());
        assert_eq!(
            spool.committed(SENDER).unwrap(),
            Some((self.last, self.last as u32))
        );
        self.promise.appended = self.last;
        self.promise.acknowledged = self.promise.tried;
    }

    /// Reads what is there and is done with all but the last three batches.
    pub(crate) fn acknowledge(&mut self, spool: &DiskSpool) {
        let reader = spool.reader_of("output");
        let Ok(items) = reader.read(1 << 20) else { return };
        let records: Vec<_> = items.into_iter().filter_map(record).collect();
        let Some(record) = records.len().checked_sub(4).and_then(|index| records.get(index)) else {
            return;
        };
        // The disk may be away.
        let Ok(batch) = reader.batch(record) else { return };
        let number = number(&batch);
        self.promise.tried = number;
        reader.acknowledge(record.sequence, Some(number.to_le_bytes().to_vec()));
    }
}

fn record(item: Spooled) -> Option<alumet_core::spool::Record> {
    match item {
        Spooled::Record(record) => Some(record),
        Spooled::Gap(_) => None,
    }
}

fn number(batch: &Batch) -> u64 {
    match batch.get(0).unwrap().value() {
        Value::U64(number) => number,
        other => panic!("{other}"),
    }
}

/// Opens the spool as a new program would and checks that it keeps its promise; `last` is the last batch that was
/// appended at all.
pub(crate) fn check(config: SpoolConfig, promise: &Promise, last: u64) {
    let spool = DiskSpool::open(config, Catalog::new());
    assert_eq!(spool.status().fault, None);
    let committed = spool
        .committed(SENDER)
        .unwrap()
        .map_or(0, |(sequence, _)| sequence);
    assert!(
        (promise.appended..=last).contains(&committed),
        "{committed}: {promise:?}"
    );
    let reader = spool.reader_of("output");
    let position = reader
        .position()
        .unwrap()
        .map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
    let position = position.unwrap_or(0);
    assert!(
        (promise.acknowledged..=promise.tried).contains(&position),
        "{position}: {promise:?}"
    );
    let (mut expected, mut waiting) = (position, 0);
    loop {
        let items = reader.read(1 << 20).unwrap();
        if items.is_empty() {
            break;
        }
        for item in items {
            let Spooled::Record(record) = item else {
                panic!("{item:?}: {promise:?}")
            };
            let batch = reader.batch(&record).unwrap();
            expected += 1;
            assert_eq!(number(&batch), expected);
            assert_eq!(batch.len() as u64, 1 + expected * 37 % 150);
            waiting += batch.len() as u64;
        }
    }
    assert_eq!(expected, committed, "the records and their origins go together");
    assert_eq!(reader.waiting(), waiting);
    // It works on, with new numbers.
    drop(reader);
}
