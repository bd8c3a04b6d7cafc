//! A catalog, batches whose content tells their number, and readers that check it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use alumet_core::failure::Remedy;
use alumet_core::series::Series;
use alumet_core::spool::{Gap, InstanceId, Record, Spool, SpoolReader, Spooled};
use alumet_core::testkit::ManualClock;
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
        consumers: ["process"],
        attributes: [],
    };
}

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A folder in memory where there is one, for tests that open thousands of files.
pub(crate) fn fast_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// A spool in a folder of its own.
pub(crate) struct Bench {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) config: SpoolConfig,
    pub(crate) catalog: Catalog,
    series: Vec<Series<u64>>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = SpoolConfig {
            path: Some(folder.path().join("spool.db")),
            commit_interval: Duration::from_millis(1),
            retry_interval: Duration::from_millis(20),
            root: folder.path().to_owned(),
            ..SpoolConfig::default()
        };
        Self::of(folder, config)
    }

    pub(crate) fn of(folder: tempfile::TempDir, config: SpoolConfig) -> Self {
        let catalog = Catalog::new();
        let metric = catalog.metric(&NUMBER).unwrap();
        let register = |pid| {
            let process = Consumer::Process { pid };
            catalog.series(metric, Resource::LocalMachine, process).register()
        };
        let series = (0..4).map(register).collect();
        Self {
            folder,
            config,
            catalog,
            series,
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.config.path.clone().unwrap()
    }

    pub(crate) fn open(&self) -> Arc<DiskSpool> {
        DiskSpool::open(self.config.clone(), self.catalog.clone())
    }

    /// The same with a clock that is moved by hand.
    pub(crate) fn open_at(&self, clock: &ManualClock) -> Arc<DiskSpool> {
        DiskSpool::open_at(self.config.clone(), self.catalog.clone(), Arc::new(clock.clone()))
    }

    /// A batch with `samples` samples, all with the value `number`.
    pub(crate) fn batch(&self, number: u64, samples: usize) -> Arc<Batch> {
        let mut batch = self.catalog.batch();
        for index in 0..samples {
            let time = Timestamp::from_nanos(number as i64 * 1000 + index as i64);
            batch.push(&self.series[index % self.series.len()], time, number);
        }
        Arc::new(batch)
    }

    /// A batch that does not get smaller by compression.
    pub(crate) fn noise(&self, number: u64, samples: usize) -> Arc<Batch> {
        let mut batch = self.catalog.batch();
        let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for _ in 0..samples {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            batch.push(&self.series[0], Timestamp::from_nanos(number as i64), state);
        }
        Arc::new(batch)
    }

    /// The files next to the spool whose names contain the word.
    pub(crate) fn set_aside(&self, reason: &str) -> Vec<PathBuf> {
        files_with(self.folder.path(), &format!(".{reason}-"))
    }
}

fn files_with(folder: &Path, word: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_meant = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.contains(word) && !name.ends_with("-wal") && !name.ends_with("-noted")
    };
    paths.filter(is_meant).collect()
}

/// What a reader got: the value of each batch, and the gaps.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Got {
    pub(crate) numbers: Vec<u64>,
    pub(crate) samples: u64,
    pub(crate) gaps: Vec<Gap>,
    pub(crate) undecodable: u64,
    pub(crate) last: u64,
}

/// Reads until nothing more comes, without acknowledging; tries again while the disk is away.
pub(crate) fn read_all(reader: &dyn SpoolReader) -> Got {
    let mut got = Got::default();
    let mut failures = 0;
    loop {
        let items = match reader.read(10_000) {
            Ok(items) if items.is_empty() => return got,
            Ok(items) => items,
            Err(error) => {
                failures += 1;
                assert!(failures < 1000, "{error}");
                std::thread::sleep(Duration::from_millis(5));
                continue;
            }
        };
        for item in items {
            assert!(item.last() > got.last, "{item:?} comes after {}", got.last);
            got.last = item.last();
            match item {
                Spooled::Gap(gap) => got.gaps.push(gap),
                Spooled::Record(record) => {
                    let Some(batch) = decode(reader, &record) else {
                        got.undecodable += 1;
                        continue;
                    };
                    assert_eq!(batch.len(), record.samples as usize);
                    got.samples += batch.len() as u64;
                    let Value::U64(number) = batch.get(0).unwrap().value() else {
                        panic!("no u64")
                    };
                    got.numbers.push(number);
                    let times = batch
                        .samples()
                        .map(|sample| (sample.timestamp.as_nanos(), sample.value()));
                    for (index, (time, value)) in times.enumerate() {
                        assert_eq!(
                            (time, value),
                            (number as i64 * 1000 + index as i64, Value::U64(number))
                        );
                    }
                }
            }
        }
    }
}

/// The batch of a record; tries again while the disk is away. `None` if it can never be decoded.
fn decode(reader: &dyn SpoolReader, record: &Record) -> Option<Arc<Batch>> {
    let mut result = reader.batch(record);
    wait_until("the disk is there", || {
        let later = matches!(&result, Err(failure) if failure.remedy() == Remedy::Retry);
        if later {
            result = reader.batch(record);
        }
        !later
    });
    result.ok()
}

/// Waits until it is so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = std::time::Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "not so: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn commit(spool: &DiskSpool) {
    assert!(spool.commit(PATIENCE), "{:?}", spool.status());
}

/// The identities of its records, oldest first.
pub(crate) fn instances(spool: &DiskSpool) -> Vec<InstanceId> {
    let numberings = spool.numberings();
    numberings.iter().map(|one| one.instance).collect()
}
