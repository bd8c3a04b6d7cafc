//! What is stored: control groups with eight series each, and pods that use energy.

use alumet_core::catalog::MetricHandle;
use alumet_core::metric::Quality;
use alumet_core::{
    Batch, Catalog, Consumer, Metric, MetricKind, Resource, Series, Timestamp, Unit, ValueType,
};

use crate::place::SECOND;

/// Control groups whose counters advance, once a second; the same as in `size` of `batch-encoding`.
pub(crate) struct Machine {
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
    pub(crate) fn new(catalog: &Catalog, groups: usize, start: i64) -> Self {
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

    /// A tick one second later, in which that many percent of the groups do something.
    pub(crate) fn batch(&mut self, catalog: &Catalog, active: u64) -> Batch {
        let mut batch = catalog.batch();
        self.tick(&mut batch, SECOND, active);
        batch
    }

    /// When the last tick was, but for the lateness of timers, in nanoseconds since 1970.
    pub(crate) const fn now(&self) -> i64 {
        self.now
    }

    /// Adds a tick that comes so many nanoseconds later.
    pub(crate) fn tick(&mut self, batch: &mut Batch, later: i64, active: u64) {
        self.now += later;
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
    }
}

/// Pods that use energy.
pub(crate) struct Pods {
    series: Vec<Series<u64>>,
    random: u64,
}

impl Pods {
    pub(crate) fn new(catalog: &Catalog, pods: usize) -> Self {
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

    pub(crate) fn batch(&mut self, catalog: &Catalog, at: i64) -> Batch {
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
