//! What the store costs: `cargo run --release -p alumet-benches --bin store -- ingest SERIES SAMPLES [ACTIVE]`, where `ACTIVE` percent of
//! the control groups do something, and `… -- query`.
//!
//! The store is in a folder of the system for temporary files, and is removed at the end.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program of the benchmarks talks to whoever runs it"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alumet_core::catalog::MetricHandle;
use alumet_core::measure::measure;
use alumet_core::metric::Quality;
use alumet_core::time::{Clock, SystemClock};
use alumet_core::{
    Batch, Catalog, Consumer, Metric, MetricKind, Resource, Series, Timestamp, Unit, ValueType,
};
use alumet_shared_query::{Backend, Budget, Limits, Range, Selector, Steps};
use alumet_shared_series_store::{SeriesStore, StoreConfig};

const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3600 * SECOND;
const DAY: i64 = 24 * HOUR;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, default: usize| {
        let text = arguments.get(place);
        text.map_or(default, |text| text.parse().expect("a number"))
    };
    match arguments.first().map(String::as_str) {
        Some("ingest") => ingest(number(1, 8000), number(2, 8_000_000), number(3, 100) as u64),
        Some("query") => query(number(1, 100), number(2, 10_000)),
        _ => println!("store ingest [SERIES] [SAMPLES] [ACTIVE] | store query [SERIES] [PODS]"),
    }
}

fn open(folder: &Path) -> SeriesStore {
    let config = StoreConfig {
        raw: Duration::from_secs(60 * 86_400),
        ..StoreConfig::at(folder.join("store.db"))
    };
    SeriesStore::open(config, Arc::new(SystemClock)).expect("a store")
}

fn now() -> i64 {
    SystemClock.now().wall.as_nanos()
}

fn size(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).expect("a folder");
    files
        .map(|file| file.and_then(|file| file.metadata()).map_or(0, |file| file.len()))
        .sum()
}

/// Waits until the store has nothing to do: nothing changes for some seconds.
fn settle(store: &SeriesStore, folder: &Path) {
    let state = || (store.generation(), size(folder));
    let mut last = (state(), Instant::now());
    while last.1.elapsed() < Duration::from_secs(4) {
        std::thread::sleep(Duration::from_millis(200));
        if state() != last.0 {
            last = (state(), Instant::now());
        }
    }
}

fn ingest(series: usize, samples: usize, active: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let catalog = Catalog::new();
    let ticks = samples.div_ceil(series).max(1);
    let mut machine = Machine::new(
        &catalog,
        series.div_ceil(8),
        now() - 3 * HOUR - ticks as i64 * SECOND,
    );
    let mut making = Duration::ZERO;
    let mut writing = Duration::ZERO;
    let mut count = 0;
    let mut first = Duration::ZERO;
    let all = measure(|| {
        let start = Instant::now();
        for tick in 0..ticks {
            let made = measure(|| machine.batch(&catalog, active));
            making += made.usage.cpu_time;
            let batch = made.value;
            count += batch.len();
            let written = measure(|| {
                store.append(&catalog, batch.samples()).expect("room");
                store.commit().expect("room");
            });
            match tick {
                0 => first = written.usage.cpu_time,
                _ => writing += written.usage.cpu_time,
            }
        }
        println!(
            "{count} samples of {series} series in {:.1} s",
            start.elapsed().as_secs_f64()
        );
        settle(&store, folder.path());
    });
    let per = |time: Duration| time.as_nanos() as f64 / count as f64;
    println!(
        "first sight of a series: {:.0} ns",
        first.as_nanos() as f64 / series as f64
    );
    println!("append and commit: {:.1} ns of CPU per sample", per(writing));
    println!(
        "with all that follows: {:.1} ns of CPU per sample",
        per(all.usage.process_cpu_time - making - first)
    );
    drop(store);
    println!(
        "{:.3} bytes per sample in the files",
        size(folder.path()) as f64 / count as f64
    );
    let started = Instant::now();
    let store = open(folder.path());
    println!("opened in {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
    drop(store);
}

fn query(series: usize, pods: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let catalog = Catalog::new();
    let until = now();
    // A day at 1 Hz up to now, and a month with a sample each ten minutes.
    let mut machine = Machine::new(&catalog, series.div_ceil(8), until - DAY);
    for _ in 0..DAY / SECOND {
        let batch = machine.batch(&catalog, 100);
        store.append(&catalog, batch.samples()).expect("room");
    }
    let mut month = Pods::new(&catalog, pods);
    for at in (until - 30 * DAY..until).step_by(600 * SECOND as usize) {
        let batch = month.batch(&catalog, at);
        store.append(&catalog, batch.samples()).expect("room");
    }
    store.commit().expect("room");
    settle(&store, folder.path());
    println!("{} MiB", size(folder.path()) >> 20);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let timed = |name: &str, work: &dyn Fn() -> usize| {
        let mut times: Vec<Duration> = Vec::new();
        let mut answer = 0;
        let all = measure(|| {
            for _ in 0..20 {
                let start = Instant::now();
                answer = work();
                times.push(start.elapsed());
            }
        });
        times.sort();
        println!(
            "{name}: {:.2} ms, at worst {:.2} ms, {:.2} ms of CPU ({answer} in the answer)",
            ms(times[10]),
            ms(times[19]),
            ms(all.usage.process_cpu_time / 20)
        );
    };
    let budget = || Budget::new(Limits::default());
    let day = Steps::aligned(
        Timestamp::from_nanos(until - DAY),
        Timestamp::from_nanos(until),
        Duration::from_secs(60),
    )
    .expect("steps");
    let buckets = |selector: &Selector, steps: Steps| {
        let answer = runtime
            .block_on(store.buckets(selector, steps, &budget()))
            .expect("an answer");
        answer.iter().map(|series| series.buckets.len()).sum()
    };
    let group = Selector::default()
        .with("consumer_id", "/pod0")
        .with("metric", "memory_usage");
    timed("one series, a day at 1 Hz, by the minute", &|| {
        buckets(&group, day)
    });
    let hundred = Selector::default().with("resource_kind", "local_machine");
    timed(&format!("{series} series, a day at 1 Hz, by the minute"), &|| {
        buckets(&hundred, day)
    });
    let pod = Selector::default()
        .with("consumer_id", &format!("pod-{}", pods / 2))
        .with("metric", "pod_energy");
    let month = Steps::aligned(
        Timestamp::from_nanos(until - 30 * DAY),
        Timestamp::from_nanos(until),
        Duration::from_secs(86_400),
    )
    .expect("steps");
    timed(
        &format!("energy of one of {pods} over 30 days, by the day"),
        &|| buckets(&pod, month),
    );
    let unaligned = Steps::whole(
        Timestamp::from_nanos(until - 30 * DAY + 1),
        Timestamp::from_nanos(until),
    );
    timed(
        &format!("energy of one of {pods} over 30 days, to the nanosecond"),
        &|| buckets(&pod, unaligned),
    );
    timed("one series, a day at 1 Hz, each sample", &|| {
        let range = Range {
            from: until - DAY,
            until,
        };
        let answer = runtime
            .block_on(store.samples(&group, range, None, &budget()))
            .expect("an answer");
        answer.iter().map(|series| series.times.len()).sum()
    });
    timed(&format!("the latest of {series} series"), &|| {
        runtime
            .block_on(store.samples(&hundred, Range::ALL, Some(1), &budget()))
            .expect("an answer")
            .len()
    });
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Control groups whose counters advance, once a second; the same as in `size` of `batch-encoding`.
struct Machine {
    groups: Vec<Group>,
    now: i64,
    random: u64,
}

struct Group {
    cpu: [Series<u64>; 3],
    memory: [Series<u64>; 3],
    percent: Series<f64>,
    read: Series<u64>,
    pages: [u64; 3],
    bytes_read: u64,
}

fn integer(catalog: &Catalog, name: &'static str, kind: MetricKind, unit: Unit) -> MetricHandle<u64> {
    let id = catalog
        .register_metric(metric(name, kind, ValueType::U64, unit))
        .expect("a new metric");
    catalog.typed_metric(id).expect("its type")
}

impl Machine {
    fn new(catalog: &Catalog, groups: usize, start: i64) -> Self {
        let cpu = integer(catalog, "cpu_time_delta", MetricKind::Delta, Unit::SECOND.nano());
        let memory = ["memory_usage", "cgroup_memory_anonymous", "cgroup_memory_file"]
            .map(|name| integer(catalog, name, MetricKind::Gauge, Unit::BYTE));
        let percent = metric("cpu_percent", MetricKind::Gauge, ValueType::F64, Unit::PERCENT);
        let percent = catalog.register_metric(percent).expect("a new metric");
        let percent = catalog.typed_metric::<f64>(percent).expect("its type");
        let read = integer(catalog, "io_read_bytes", MetricKind::Counter, Unit::BYTE);
        let mut random = 42;
        let groups = (0..groups).map(|number| {
            let consumer = Consumer::ControlGroup {
                path: format!("/pod{number}").into(),
            };
            let series = |metric| catalog.series(metric, Resource::LocalMachine, consumer.clone());
            Group {
                cpu: ["total", "user", "system"].map(|kind| series(cpu).attribute("kind", kind).register()),
                memory: memory.map(|metric| series(metric).register()),
                percent: catalog
                    .series(percent, Resource::LocalMachine, consumer.clone())
                    .register(),
                read: series(read).register(),
                pages: std::array::from_fn(|_| next(&mut random) % 30_000),
                bytes_read: next(&mut random) % (1 << 30),
            }
        });
        Self {
            groups: groups.collect(),
            now: start,
            random,
        }
    }

    /// A tick in which that many percent of the groups do something.
    fn batch(&mut self, catalog: &Catalog, active: u64) -> Batch {
        let mut batch = catalog.batch();
        self.now += SECOND;
        let now = Timestamp::from_nanos(self.now + (next(&mut self.random) % 100_000) as i64);
        for group in &mut self.groups {
            let random = &mut self.random;
            let (mut user, mut system) = (0, 0);
            if next(random) % 100 < active {
                // The kernel counts in microseconds.
                user = next(random) % 700_000 * 1000;
                system = next(random) % 300_000 * 1000;
                group.pages = std::array::from_fn(|_| next(random) % 30_000);
                group.bytes_read += next(random) % 10_000_000;
            }
            for (series, value) in group.cpu.iter().zip([user + system, user, system]) {
                batch.push(series, now, value);
            }
            for (series, pages) in group.memory.iter().zip(group.pages) {
                batch.push(series, now, pages * 4096);
            }
            batch.push(&group.percent, now, (user + system) as f64 / 1e9 * 100.0);
            batch.push(&group.read, now, group.bytes_read);
        }
        batch
    }
}

/// Pods that use energy.
struct Pods {
    series: Vec<Series<u64>>,
    random: u64,
}

impl Pods {
    fn new(catalog: &Catalog, pods: usize) -> Self {
        let energy = integer(catalog, "pod_energy", MetricKind::Delta, Unit::JOULE.milli());
        let series = (0..pods).map(|number| {
            let consumer = Consumer::Custom {
                kind: "pod".into(),
                id: format!("pod-{number}").into(),
            };
            let package = Resource::CpuPackage { id: 0 };
            catalog.series(energy, package, consumer).register()
        });
        Self {
            series: series.collect(),
            random: 7,
        }
    }

    fn batch(&mut self, catalog: &Catalog, at: i64) -> Batch {
        let mut batch = catalog.batch();
        for series in &self.series {
            batch.push(
                series,
                Timestamp::from_nanos(at),
                next(&mut self.random) % 600_000,
            );
        }
        batch
    }
}

fn metric(name: &'static str, kind: MetricKind, value_type: ValueType, unit: Unit) -> Metric {
    Metric {
        name: name.into(),
        kind,
        value_type,
        unit,
        description: "Something of a control group.".into(),
        quality: Quality::Measured,
    }
}

/// Marsaglia, "Xorshift RNGs", 2003.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
