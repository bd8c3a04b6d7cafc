//! A model check: what is written, killed, merged, dropped and asked, against a list.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::metric::Quality;
use alumet_core::series::{SeriesHandle, SeriesKey};
use alumet_core::testkit::ManualClock;
use alumet_core::time::Clock;
use alumet_core::{
    Attributes, Catalog, Consumer, Metric, MetricKind, Resource, Timestamp, Unit, Value, ValueType,
};
use alumet_shared_query::{
    Backend, Bucket, Buckets, Budget, Limits, Range, Selector, SeriesBuckets, SeriesSamples, Steps,
};
use proptest::prelude::*;

use crate::config::StoreConfig;
use crate::keeper::Keeper;
use crate::rows::{DAY, HOUR, MINUTE, Resolution, SECOND};
use crate::run::Dropped;
use crate::store::{SeriesStore, Shared};

const SERIES: usize = 4;

#[derive(Debug, Clone)]
enum Step {
    /// Samples of a series, so many seconds ago.
    Write {
        series: usize,
        samples: Vec<(i64, u8)>,
    },
    Commit,
    /// The series retires; it comes again with the next write.
    Retire(usize),
    /// The program is killed, and begins with what is in the file; the last writes come again, if there were that many.
    Kill {
        again: usize,
    },
    Close,
    Keep(usize),
    Advance(i64),
    Ask {
        back: i64,
        length: i64,
        step: i64,
        newest: Option<usize>,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let ago = prop_oneof![
        6 => 0..120 * SECOND,
        2 => (0..3 * 60_i64).prop_map(|minutes| minutes * MINUTE),
        1 => 0..5 * HOUR,
        1 => Just(-25 * HOUR),
    ];
    let length = prop_oneof![Just(10 * MINUTE), Just(HOUR), 0..30 * HOUR, Just(9 * DAY)];
    let steps = prop_oneof![
        Just(7 * SECOND),
        Just(MINUTE),
        Just(5 * MINUTE),
        Just(HOUR),
        Just(DAY),
        Just(90 * MINUTE)
    ];
    prop_oneof![
        10 => (0..SERIES, prop::collection::vec((ago, any::<u8>()), 1..12))
            .prop_map(|(series, samples)| Step::Write { series, samples }),
        4 => Just(Step::Commit),
        1 => (0..SERIES).prop_map(Step::Retire),
        1 => (0..4_usize).prop_map(|again| Step::Kill { again }),
        1 => Just(Step::Close),
        5 => prop_oneof![Just(1_usize), Just(3), Just(200)].prop_map(Step::Keep),
        3 => prop_oneof![1..100_i64, Just(20 * 60), Just(3600), Just(26 * 3600)].prop_map(|seconds| Step::Advance(seconds * SECOND)),
        6 => (0..8 * HOUR, length, steps, prop_oneof![Just(None), Just(Some(1)), Just(Some(3))])
            .prop_map(|(back, length, step, newest)| Step::Ask { back, length, step, newest }),
    ]
}

/// The samples of each series.
type Samples = [BTreeMap<i64, f64>; SERIES];

struct World {
    folder: tempfile::TempDir,
    path: PathBuf,
    count: usize,
    clock: ManualClock,
    store: SeriesStore,
    keeper: Keeper,
    catalog: Catalog,
    handles: Vec<Option<SeriesHandle>>,
    /// What is in the file, and what is on its way to it.
    stored: Samples,
    waiting: Vec<(usize, Vec<(i64, u8)>)>,
    /// The last writes, newest last.
    recent: Vec<(usize, Vec<(i64, u8)>)>,
    /// When the clock started.
    start: i64,
}

fn config(path: &std::path::Path) -> StoreConfig {
    StoreConfig {
        raw: Duration::from_secs(6 * 3600),
        minute: Duration::from_secs(2 * 86_400),
        hour: Duration::from_secs(40 * 86_400),
        ..StoreConfig::at(path)
    }
}

fn open(path: &std::path::Path, clock: &ManualClock) -> (SeriesStore, Keeper) {
    let shared = Shared::open(config(path), Arc::new(clock.clone())).unwrap();
    let keeper = Keeper::open(&shared).unwrap();
    // The files of a test need not outlive a power failure.
    shared
        .writer
        .lock()
        .connection
        .pragma_update(None, "synchronous", "OFF")
        .unwrap();
    (SeriesStore { shared, keeper: None }, keeper)
}

/// Of each type one, and two of floats.
fn value_type(series: usize) -> ValueType {
    [ValueType::U64, ValueType::I64, ValueType::F64, ValueType::F64][series]
}

fn value(series: usize, byte: u8) -> Value {
    match value_type(series) {
        ValueType::U64 => Value::U64(u64::from(byte) * 4096),
        ValueType::I64 => Value::I64(i64::from(byte) - 128),
        ValueType::F64 if byte == 7 => Value::F64(f64::NAN),
        ValueType::F64 => Value::F64(f64::from(byte) / 4.0),
    }
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store-0.db");
        let clock = ManualClock::new();
        // In the middle of an hour, a day and a month.
        let start = 600 * 30 * DAY + 13 * DAY + 7 * HOUR + 13 * MINUTE;
        clock.set_wall(Timestamp::from_nanos(start));
        let (store, keeper) = open(&path, &clock);
        Self {
            folder,
            path,
            count: 0,
            clock,
            store,
            keeper,
            catalog: Catalog::new(),
            handles: vec![None; SERIES],
            stored: Default::default(),
            waiting: Vec::new(),
            recent: Vec::new(),
            start,
        }
    }

    fn now(&self) -> i64 {
        self.clock.now().wall.as_nanos()
    }

    fn handle(&mut self, series: usize) -> SeriesHandle {
        let catalog = &self.catalog;
        let handle = self.handles[series].get_or_insert_with(|| {
            let metric = catalog.register_metric(Metric {
                name: format!("metric_{}", value_type(series)).into(),
                kind: MetricKind::Gauge,
                value_type: value_type(series),
                unit: Unit::ONE,
                description: "For tests.".into(),
                quality: Quality::Measured,
            });
            catalog.register(SeriesKey {
                metric: metric.unwrap(),
                resource: Resource::LocalMachine,
                consumer: Consumer::Process { pid: series as u32 },
                attributes: Attributes::EMPTY.with("node", "n1").with("number", series as u64),
            })
        });
        handle.clone()
    }

    fn write(&mut self, series: usize, samples: Vec<(i64, u8)>) {
        let handle = self.handle(series);
        let mut batch = self.catalog.batch();
        for (at, byte) in &samples {
            batch
                .push_value(&handle, Timestamp::from_nanos(*at), value(series, *byte))
                .unwrap();
        }
        let refused = self.store.append(&self.catalog, batch.samples()).unwrap();
        let newest = self.now() + DAY;
        let expected: Vec<_> = (0..samples.len())
            .filter(|place| samples[*place].0 > newest)
            .collect();
        assert_eq!(refused, expected);
        let taken = samples.into_iter().filter(|(at, _)| *at <= newest).collect();
        self.waiting.push((series, taken));
    }

    fn settle(&mut self) {
        for (series, samples) in self.waiting.drain(..) {
            for (at, byte) in samples {
                self.stored[series].insert(at, number(value(series, byte)));
            }
        }
    }

    fn kill(&mut self, again: usize) {
        self.count += 1;
        let copy = self.folder.path().join(format!("store-{}.db", self.count));
        for suffix in ["", "-wal"] {
            let [from, to] = [&self.path, &copy].map(|path| format!("{}{suffix}", path.display()));
            if std::path::Path::new(&from).exists() {
                std::fs::copy(from, to).unwrap();
            }
        }
        let (store, keeper) = open(&copy, &self.clock);
        self.keeper = keeper;
        self.store = store;
        self.path = copy;
        assert_eq!(self.store.problems(), Vec::<String>::new());
        let lost = std::mem::take(&mut self.waiting);
        let earlier = self.recent.iter().rev().skip(lost.len()).take(again).rev();
        let earlier: Vec<_> = earlier.cloned().collect();
        let dropped = self.dropped();
        for (series, samples) in earlier.into_iter().chain(lost) {
            let kept = samples.into_iter().filter(|(at, _)| *at >= dropped);
            let kept: Vec<_> = kept.collect();
            self.write(series, kept);
        }
    }

    fn dropped_all(&self) -> Dropped {
        Dropped::read(&self.store.shared.writer.lock().connection).unwrap()
    }

    /// Before when there are no samples any more.
    fn dropped(&self) -> i64 {
        self.dropped_all().before(Resolution::Raw)
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Write { series, samples } => {
                let (now, dropped) = (self.now(), self.dropped());
                let samples = samples
                    .into_iter()
                    .map(|(ago, byte)| ((now - ago).max(dropped), byte));
                let samples: Vec<_> = samples.collect();
                self.recent.push((series, samples.clone()));
                self.write(series, samples);
            }
            Step::Commit => {
                self.store.commit().unwrap();
                self.settle();
            }
            Step::Retire(series) => {
                self.handles[series] = None;
                self.store.shared.sweep().unwrap();
            }
            Step::Kill { again } => self.kill(again),
            Step::Close => {
                let other = self.folder.path().join("other.db");
                let (store, keeper) = open(&other, &self.clock);
                self.keeper = keeper;
                drop(std::mem::replace(&mut self.store, store));
                let (store, keeper) = open(&self.path, &self.clock);
                self.keeper = keeper;
                self.store = store;
                self.settle();
            }
            Step::Keep(most) => {
                // Waiting samples may be of windows that are dropped meanwhile.
                self.store.commit().unwrap();
                self.settle();
                let shared = Arc::clone(&self.store.shared);
                let _ = (0..most)
                    .take_while(|_| self.keeper.step(&shared).unwrap())
                    .count();
            }
            Step::Advance(time) => self.clock.advance(Duration::from_nanos(time.unsigned_abs())),
            Step::Ask {
                back,
                length,
                step,
                newest,
            } => {
                self.store.commit().unwrap();
                self.settle();
                let until = self.now() - back;
                self.ask(until - length, until, step, newest);
                self.ask(i64::MIN, i64::MAX, step, newest);
            }
        }
    }

    fn ask(&self, from: i64, until: i64, step: i64, newest: Option<usize>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let budget = Budget::new(Limits::default());
        let range = Range { from, until };
        let answer = runtime
            .block_on(self.store.samples(&Selector::default(), range, newest, &budget))
            .unwrap();
        let dropped = self.dropped();
        for (series, stored) in self.stored.iter().enumerate() {
            let kept = stored.range(from..until).filter(|(at, _)| **at >= dropped);
            let mut expected: Vec<_> = kept.map(|(at, value)| (*at, value.to_bits())).collect();
            expected.drain(..newest.map_or(0, |newest| expected.len().saturating_sub(newest)));
            let found: Vec<_> = answer
                .iter()
                .filter(|one| is(&one.series, series))
                .flat_map(SeriesSamples::iter)
                .collect();
            let found: Vec<_> = found
                .iter()
                .map(|(at, value)| (at.as_nanos(), number(*value).to_bits()))
                .collect();
            assert_eq!(
                found, expected,
                "samples of {series} in {from}..{until}, {newest:?}"
            );
        }
        if from == i64::MIN {
            return;
        }
        for start in [from, from.div_euclid(step) * step] {
            let steps = Steps {
                start,
                step,
                count: ((until - start).max(0) as u64).div_ceil(step as u64),
            };
            let answer = runtime
                .block_on(self.store.buckets(&Selector::default(), steps, &budget))
                .unwrap();
            for series in 0..SERIES {
                let found: Vec<_> = answer.iter().filter(|one| is(&one.series, series)).collect();
                let found: Vec<Bucket> = found
                    .into_iter()
                    .flat_map(|one: &SeriesBuckets| one.buckets.clone())
                    .collect();
                assert_eq!(found, self.buckets(series, steps), "{series} by {steps:?}");
            }
        }
    }

    fn buckets(&self, series: usize, steps: Steps) -> Vec<Bucket> {
        let dropped = self.dropped_all();
        let mut buckets = Buckets::new(steps);
        let all = |from: i64, until: i64| self.stored[series].range(from..until.max(from));
        let [raw, minute, hour] = dropped.0;
        for (resolution, from, until) in [(HOUR, hour, minute), (MINUTE, minute, raw)] {
            let mut thinned = Buckets::new(Steps {
                start: from.max(0).div_euclid(HOUR) * HOUR,
                step: resolution,
                count: 1 << 30,
            });
            all(from, until).for_each(|(at, value)| thinned.add(Timestamp::from_nanos(*at), *value));
            let is_meant = |bucket: &&Bucket| (steps.start..steps.end()).contains(&bucket.start);
            thinned
                .finish()
                .iter()
                .filter(is_meant)
                .for_each(|bucket| buckets.append(bucket));
        }
        all(raw, i64::MAX).for_each(|(at, value)| buckets.add(Timestamp::from_nanos(*at), *value));
        buckets.finish()
    }
}

fn is(identity: &alumet_shared_query::Identity, series: usize) -> bool {
    identity.consumer == Consumer::Process { pid: series as u32 }
        && identity.metric.value_type == value_type(series)
        && identity.attributes.get("number") == Some(&(series as u64).into())
}

fn number(value: Value) -> f64 {
    value.as_f64()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_store_answers_as_a_list_would(steps in prop::collection::vec(step(), 1..100)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.step(Step::Keep(500));
        let length = world.now() - world.start + 3 * DAY;
        world.step(Step::Ask { back: -DAY, length, step: MINUTE, newest: None });
        world.step(Step::Ask { back: -DAY, length, step: DAY, newest: Some(1) });
        prop_assert_eq!(world.store.problems(), Vec::<String>::new());
    }
}
