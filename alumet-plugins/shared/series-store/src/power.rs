//! What is in a store after a power failure at any operation on its files, and after any of them has failed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::series::{SeriesHandle, SeriesKey};
use alumet_core::testkit::ManualClock;
use alumet_core::{Attributes, Catalog, Consumer, Resource, Timestamp, Value};
use alumet_shared_query::{Backend, Budget, Limits, Range as Span, Selector, Steps};
use alumet_shared_sqlite_file::DiskError;
use alumet_shared_sqlite_file::testkit::{Operation, Watched, folder, power_failures};
use rusqlite::ffi;

use crate::config::StoreConfig;
use crate::keeper::Keeper;
use crate::rig::energy;
use crate::rows::{DAY, HOUR, MINUTE, Resolution, SECOND};
use crate::run::Dropped;
use crate::store::{SeriesStore, Shared};
use crate::tools::check;

/// The last two are about one graphics processor.
const SERIES: usize = 5;
/// Of which so many instants are kept.
const ENTRIES: usize = 15;
const START: i64 = 600 * 30 * DAY + 13 * DAY + 7 * HOUR + 13 * MINUTE;

/// The samples of each series.
type Samples = [BTreeMap<i64, u64>; SERIES];

/// What was committed, and the time at which that was.
#[derive(Debug, Clone, Default)]
struct Promise {
    samples: Samples,
    now: i64,
}

fn config(folder: &Path) -> StoreConfig {
    StoreConfig {
        raw: Duration::from_secs(3 * 3600),
        minute: Duration::from_secs(2 * 86_400),
        max_entries_per_gpu: Some(ENTRIES),
        ..StoreConfig::at(folder.join("store.db"))
    }
}

/// Appends, commits, keeps in order, closes and opens.
struct Workload {
    config: StoreConfig,
    clock: ManualClock,
    catalog: Catalog,
    samples: Samples,
    store: Option<(SeriesStore, Keeper)>,
    random: u64,
    /// How often something has failed.
    failures: usize,
}

impl Workload {
    fn new(folder: &Path) -> Self {
        Self {
            config: config(folder),
            clock: clock_at(START),
            catalog: Catalog::new(),
            samples: Samples::default(),
            store: None,
            random: 1,
            failures: 0,
        }
    }

    /// Tries until it is done; no failure of the disk is taken for damage.
    fn insist<T>(&mut self, mut work: impl FnMut(&mut Self) -> Result<T, DiskError>) -> T {
        for _ in 0..60 {
            match work(self) {
                Ok(done) => return done,
                Err(error) => {
                    assert!(!error.is_damage(), "{error}");
                    self.failures += 1;
                }
            }
        }
        panic!("the disk works again, and the store does not");
    }

    fn open(&mut self) {
        // It holds the lock of the file.
        self.store = None;
        let store = self.insist(|work| {
            let shared = Shared::open(work.config.clone(), Arc::new(work.clock.clone()))?;
            // Dropping one waits for a commit; a store whose keeper cannot be opened is opened anew.
            let keeper = Keeper::open(&shared);
            let path = &work.config.path;
            let keeper = keeper.map_err(|error| DiskError::sqlite(path, error))?;
            Ok((SeriesStore { shared, keeper: None }, keeper))
        });
        assert_eq!(store.0.problems(), Vec::<String>::new());
        self.store = Some(store);
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.random >> 33) % limit
    }

    fn now(&self) -> i64 {
        use alumet_core::time::Clock;
        self.clock.now().wall.as_nanos()
    }

    /// Samples of now, and some of earlier.
    fn append(&mut self) {
        let now = self.now();
        for number in 0..SERIES {
            let handle = series(&self.catalog, number);
            let is_gpu = number >= SERIES - 2;
            let mut batch = self.catalog.batch();
            for index in 0..1 + self.below(12) as i64 {
                // What is late may be of a window that was over; not of one that is dropped.
                let late = !is_gpu && self.below(8) == 0;
                let ago = if late { self.below(100) as i64 * MINUTE } else { 0 };
                let at = now - ago - index * SECOND;
                let value = self.below(1 << 30);
                batch.push_bits(&handle, Timestamp::from_nanos(at), value);
                self.samples[number].insert(at, value);
            }
            let batch = batch;
            let refused = self.insist(|work| {
                let (store, _) = work.store.as_ref().unwrap();
                store.append(&work.catalog, batch.samples())
            });
            assert_eq!(refused, Vec::<usize>::new());
        }
    }

    fn commit(&mut self) {
        self.insist(|work| work.store.as_ref().unwrap().0.commit());
    }

    /// As the thread does it: with new connections after a failure.
    fn keep(&mut self, most: usize) {
        self.insist(|work| {
            let (store, _) = work.store.as_ref().unwrap();
            let failed = |error| DiskError::sqlite(&work.config.path, error);
            store.shared.sweep().map_err(failed)
        });
        for _ in 0..most {
            let goes_on = self.insist(|work| {
                let (store, keeper) = work.store.as_mut().unwrap();
                let failed = |error| DiskError::sqlite(&work.config.path, error);
                let stepped = keeper.step(&store.shared);
                if stepped.is_err() {
                    *keeper = Keeper::open(&store.shared).map_err(failed)?;
                }
                stepped.map_err(failed)
            });
            if !goes_on {
                break;
            }
        }
    }

    fn run(&mut self, rounds: u64, mut committed: impl FnMut(&Self)) {
        self.open();
        for round in 0..rounds {
            self.append();
            self.commit();
            committed(self);
            self.keep([1, 0, 2, 30][round as usize % 4]);
            self.clock.advance(Duration::from_secs(7 * 60));
            if round % 12 == 11 {
                // Long enough for windows to be dropped.
                self.clock.advance(Duration::from_secs(9 * 3600));
            }
            if round % 16 == 9 {
                self.open();
            }
        }
        self.keep(100);
        self.assert_is(&self.samples, &self.samples);
        self.store = None;
    }

    /// Panics unless the store has what is left of one of both.
    fn assert_is(&self, promised: &Samples, next: &Samples) {
        let (store, _) = self.store.as_ref().unwrap();
        let dropped = Dropped::read(&store.shared.writer.lock().connection).unwrap();
        let found = Content::of(store, self.now());
        let expected = |one| Content::expected(one, dropped);
        if ![promised, next].into_iter().any(|one| found == expected(one)) {
            let differences = [promised, next].map(|one| found.differences(&expected(one)));
            panic!("{differences:#?} at {}, {dropped:?}", self.now());
        }
        assert_eq!(store.problems(), Vec::<String>::new());
    }
}

fn clock_at(now: i64) -> ManualClock {
    let clock = ManualClock::new();
    clock.set_wall(Timestamp::from_nanos(now));
    clock
}

fn series(catalog: &Catalog, number: usize) -> SeriesHandle {
    let resource = match number >= SERIES - 2 {
        true => Resource::Gpu { bus_id: "0".into() },
        false => Resource::LocalMachine,
    };
    catalog.register(SeriesKey {
        metric: energy(catalog),
        resource,
        consumer: Consumer::Process { pid: number as u32 },
        attributes: Attributes::EMPTY,
    })
}

/// What is in a store.
#[derive(Debug, PartialEq)]
struct Content {
    samples: Samples,
    /// Count and sum of each minute and of each hour.
    intervals: [Vec<BTreeMap<i64, (u64, f64)>>; 2],
}

const STEPS: [i64; 2] = [MINUTE, HOUR];

fn place(series: &alumet_shared_query::Identity) -> usize {
    match series.consumer {
        Consumer::Process { pid } => pid as usize,
        _ => panic!("{series:?}"),
    }
}

impl Content {
    fn of(store: &SeriesStore, now: i64) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (all, budget) = (Selector::default(), Budget::new(Limits::default()));
        let answer = runtime
            .block_on(store.samples(&all, Span::ALL, None, &budget))
            .unwrap();
        let mut samples = Samples::default();
        for series in &answer {
            for (at, value) in series.iter() {
                let Value::U64(value) = value else {
                    panic!("{value}")
                };
                let before = samples[place(&series.series)].insert(at.as_nanos(), value);
                assert_eq!(before, None, "a sample is there twice");
            }
        }
        let intervals = STEPS.map(|step| {
            let start = (START - 2 * HOUR) / step * step;
            let count = ((now - start) / step + 1) as u64;
            let steps = Steps { start, step, count };
            let answer = runtime.block_on(store.buckets(&all, steps, &budget)).unwrap();
            let mut intervals = vec![BTreeMap::new(); SERIES];
            for series in &answer {
                let buckets = series.buckets.iter().map(|one| (one.start, (one.count, one.sum)));
                intervals[place(&series.series)].extend(buckets);
            }
            intervals
        });
        Self { samples, intervals }
    }

    /// For people: series, interval, when, and what is there and what is not.
    fn differences(&self, expected: &Self) -> Vec<String> {
        let mut said = Vec::new();
        for number in 0..SERIES {
            let (one, other) = (&self.samples[number], &expected.samples[number]);
            said.extend(difference(one, other).map(|text| format!("sample of {number} {text}")));
            for (index, step) in STEPS.iter().enumerate() {
                let (one, other) = (&self.intervals[index][number], &expected.intervals[index][number]);
                said.extend(difference(one, other).map(|text| format!("{step} of {number} {text}")));
            }
        }
        said.truncate(12);
        said
    }

    /// What is left of samples when that was dropped.
    fn expected(samples: &Samples, dropped: Dropped) -> Self {
        let mut kept = samples.clone();
        let raw = dropped.before(Resolution::Raw);
        let gpu: BTreeSet<i64> = samples[SERIES - 2..]
            .iter()
            .flat_map(|one| one.keys().copied())
            .collect();
        let oldest = gpu.iter().rev().nth(ENTRIES - 1).copied().unwrap_or(i64::MIN);
        for (number, series) in kept.iter_mut().enumerate() {
            let from = if number < SERIES - 2 { raw } else { raw.max(oldest) };
            series.retain(|at, _| *at >= from);
        }
        let minute = dropped.before(Resolution::Minute);
        let intervals = STEPS.map(|step| {
            let of_series = samples.iter().map(|series| {
                let mut intervals: BTreeMap<i64, (u64, f64)> = BTreeMap::new();
                for (at, value) in series {
                    // Of minutes that are dropped, the hours are left.
                    let step = if *at < minute { HOUR } else { step };
                    let (count, sum) = intervals.entry(at.div_euclid(step) * step).or_default();
                    *count += 1;
                    *sum += *value as f64;
                }
                intervals
            });
            of_series.collect()
        });
        Self {
            samples: kept,
            intervals,
        }
    }
}

fn difference<T: PartialEq + std::fmt::Debug>(
    found: &BTreeMap<i64, T>,
    expected: &BTreeMap<i64, T>,
) -> impl Iterator<Item = String> {
    let all: BTreeSet<i64> = found.keys().chain(expected.keys()).copied().collect();
    let different = all.into_iter().filter(|at| found.get(at) != expected.get(at));
    different.map(|at| format!("{at}: {:?} for {:?}", found.get(&at), expected.get(&at)))
}

/// Opens the store as a new program does: what was promised is there once, and what was on its way is there whole or not at all;
/// `thorough`: and stays so when the file is kept in order.
fn verify(folder: &Path, (promised, next): (&Samples, &Samples), now: i64, thorough: bool) {
    let mut work = Workload::new(folder);
    work.clock = clock_at(now);
    work.open();
    work.assert_is(promised, next);
    if thorough {
        work.keep(300);
        work.assert_is(promised, next);
    }
    assert_eq!(work.failures, 0);
    work.store = None;
    let report = check(&work.config.path).unwrap();
    assert_eq!((report.damaged, report.problems), (0, Vec::new()));
    let names = std::fs::read_dir(folder).unwrap();
    let names = names.map(|name| name.unwrap().file_name().into_string().unwrap());
    let aside: Vec<_> = names.filter(|name| name.starts_with("store.db.")).collect();
    assert_eq!(aside, Vec::<String>::new());
}

fn points(usual: usize) -> usize {
    std::env::var("ALUMET_CRASH_POINTS").map_or(usual, |text| text.parse().unwrap())
}

/// Each operation could be the last. What was not synced by then is there, is not, or is there in part.
#[test]
fn what_was_committed_is_there_once_after_a_power_failure_at_any_operation() {
    let points = points(1000);
    let home = folder().unwrap();
    let watched = Watched::new(home.path());
    let mut promises = Vec::new();
    watched.record(None);
    Workload::new(home.path()).run(40, |work| {
        watched.promise(promises.len());
        promises.push(Promise {
            samples: work.samples.clone(),
            now: work.now(),
        });
    });
    let operations = watched.recorded();
    let is_truncation = |one: &&Operation| matches!(one, Operation::Truncate(..) | Operation::Delete(_));
    println!(
        "{} operations, {} of them truncate or delete",
        operations.len(),
        operations.iter().filter(is_truncation).count()
    );
    let mut count = 0;
    let checked = power_failures(&operations, points, |crashed, promised| {
        let next = promised.map_or(0, |number| number + 1);
        let promise = promised.map_or_else(Promise::default, |number| promises[number].clone());
        let later = promises.get(next).unwrap_or(&promise);
        count += 1;
        let samples = (&promise.samples, &later.samples);
        verify(crashed, samples, later.now, count % 4 == 0);
    });
    let checked = checked.unwrap();
    assert!(checked > points * 8 / 10, "{checked} of {points}");
}

/// Lets operations fail; says how many there were, and how many attempts failed.
fn run(failing: Range<usize>, code: i32) -> (usize, usize) {
    let folder = folder().unwrap();
    let mut work = Workload::new(folder.path());
    let watched = Watched::new(folder.path());
    watched.fail(failing, code);
    work.run(16, |_| {});
    let count = watched.count();
    drop(watched);
    verify(folder.path(), (&work.samples, &work.samples), work.now(), true);
    (count, work.failures)
}

#[test]
fn after_any_operation_that_fails_the_store_goes_on_and_has_lost_nothing() {
    let (operations, failures) = run(0..0, 0);
    assert_eq!(failures, 0);
    let kinds = [
        (1, ffi::SQLITE_FULL),
        (1, ffi::SQLITE_IOERR_WRITE),
        (6, ffi::SQLITE_FULL),
        (6, ffi::SQLITE_IOERR_FSYNC),
        (20, ffi::SQLITE_IOERR_WRITE),
    ];
    let stride = (operations * kinds.len()).div_ceil(points(60)).max(1);
    let all = (0..operations).flat_map(|first| kinds.map(|(length, code)| (first, length, code)));
    let mut failed = 0;
    for (first, length, code) in all.step_by(stride) {
        failed += usize::from(run(first..first + length, code).1 > 0);
    }
    println!("{operations} operations each; in {failed} runs, an attempt failed");
    assert!(failed > 0);
}
