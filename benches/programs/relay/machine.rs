//! A machine whose control groups all work, so that every value changes with every tick, or all rest.

use std::time::Instant;

use alumet_core::failure::Failure;
use alumet_core::source::{Accumulator, Source};
use alumet_core::unit::Unit;
use alumet_core::value::Number;
use alumet_core::{Batch, Catalog, Consumer, Resource, Series, Timestamp};

alumet_core::metrics! {
    CPU_TIME = Delta<u64> {
        name: "cpu_time_delta", unit: Unit::SECOND.nano(), description: "CPU time since the last value.",
        resources: ["local_machine"], consumers: ["cgroup"], attributes: ["kind"],
    };
    CPU_PERCENT = Gauge<f64> {
        name: "cpu_percent", unit: Unit::PERCENT, description: "CPU time per time.",
        resources: ["local_machine"], consumers: ["cgroup"], attributes: [],
    };
    MEMORY = Gauge<u64> {
        name: "memory_usage", unit: Unit::BYTE, description: "Memory in use.",
        resources: ["local_machine"], consumers: ["cgroup"], attributes: ["kind"],
    };
    READ = Counter<u64> {
        name: "io_read_bytes", unit: Unit::BYTE, description: "Bytes read so far.",
        resources: ["local_machine"], consumers: ["cgroup"], attributes: [],
    };
}

/// How many series a control group has.
pub(crate) const SERIES: usize = 8;

/// Control groups with eight series each, whose load and memory walk at random.
pub(crate) struct Machine {
    groups: Vec<Group>,
    random: u64,
    last_poll: Option<Instant>,
    is_idle: bool,
}

struct Group {
    cpu: [Series<u64>; 3],
    percent: Series<f64>,
    memory: [Series<u64>; 3],
    read: Series<u64>,
    user_us: u64,
    system_us: u64,
    pages: [u64; 3],
    bytes_read: u64,
}

/// Where the samples of a tick go.
trait Push {
    fn push<T: Number>(&mut self, series: &Series<T>, value: T);
}

/// A batch of which all samples have one time.
struct Tick(Batch, Timestamp);

impl Machine {
    pub(crate) fn new(catalog: &Catalog, groups: usize) -> Self {
        let cpu = catalog.metric(&CPU_TIME).expect("a metric");
        let percent = catalog.metric(&CPU_PERCENT).expect("a metric");
        let memory = catalog.metric(&MEMORY).expect("a metric");
        let read = catalog.metric(&READ).expect("a metric");
        let mut random = 42;
        let group = |number: usize| {
            let pod = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod";
            let path = format!("{pod}{number:08x}.slice");
            let consumer = Consumer::ControlGroup {
                path: path.as_str().into(),
            };
            let kind = |metric, kind: &str| {
                let series = catalog.series(metric, Resource::LocalMachine, consumer.clone());
                series.attribute("kind", kind.to_owned()).register()
            };
            Group {
                cpu: ["total", "user", "system"].map(|name| kind(cpu, name)),
                percent: catalog
                    .series(percent, Resource::LocalMachine, consumer.clone())
                    .register(),
                memory: ["total", "anonymous", "file"].map(|name| kind(memory, name)),
                read: catalog
                    .series(read, Resource::LocalMachine, consumer.clone())
                    .register(),
                user_us: next(&mut random) % 700_000,
                system_us: next(&mut random) % 300_000,
                pages: std::array::from_fn(|_| next(&mut random) % 100_000),
                bytes_read: next(&mut random) % (1 << 34),
            }
        };
        Self {
            groups: (0..groups).map(group).collect(),
            random: 42,
            last_poll: None,
            is_idle: false,
        }
    }

    /// Its groups hold their memory and use no CPU time.
    pub(crate) fn at_rest(mut self) -> Self {
        for group in &mut self.groups {
            (group.user_us, group.system_us) = (0, 0);
        }
        self.is_idle = true;
        self
    }

    /// The samples of one tick, which ends an interval of so many nanoseconds.
    pub(crate) fn batch(&mut self, catalog: &Catalog, at: Timestamp, nanos: u64) -> Batch {
        let mut tick = Tick(catalog.batch(), at);
        tick.0.reserve(self.groups.len() * SERIES);
        self.tick(nanos, &mut tick);
        tick.0
    }

    /// Batches of consecutive ticks, a second apart but for the lateness of timers.
    pub(crate) fn batches(&mut self, catalog: &Catalog, count: usize) -> Vec<Batch> {
        let mut now = 1_800_000_000_000_000_000;
        let tick = |_| {
            let nanos = 1_000_000_000 + next(&mut self.random) % 100_000;
            now += nanos.cast_signed();
            self.batch(catalog, Timestamp::from_nanos(now), nanos)
        };
        (0..count).map(tick).collect()
    }

    fn tick(&mut self, nanos: u64, out: &mut impl Push) {
        let random = &mut self.random;
        for group in &mut self.groups {
            if !self.is_idle {
                group.work(random);
            }
            // The kernel counts in microseconds, and the samples in nanoseconds.
            let (user, system) = (group.user_us * 1000, group.system_us * 1000);
            for (series, value) in group.cpu.iter().zip([user + system, user, system]) {
                out.push(series, value);
            }
            out.push(&group.percent, (user + system) as f64 / nanos as f64 * 100.0);
            for (series, pages) in group.memory.iter().zip(group.pages) {
                out.push(series, pages * 4096);
            }
            out.push(&group.read, group.bytes_read);
        }
    }
}

impl Push for Tick {
    fn push<T: Number>(&mut self, series: &Series<T>, value: T) {
        self.0.push(series, self.1, value);
    }
}

impl Push for Accumulator<'_> {
    fn push<T: Number>(&mut self, series: &Series<T>, value: T) {
        self.push(series, value);
    }
}

impl Group {
    fn work(&mut self, random: &mut u64) {
        self.user_us = walk(random, self.user_us, 50_000, 700_000);
        self.system_us = walk(random, self.system_us, 20_000, 300_000);
        for pages in &mut self.pages {
            *pages = walk(random, *pages, 256, 100_000);
        }
        self.bytes_read += 4096 * (1 + next(random) % 2500);
    }
}

impl Source for Machine {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let now = Instant::now();
        let interval = self.last_poll.replace(now).map(|last| now - last);
        let nanos = interval.map_or(1_000_000_000, |interval| interval.as_nanos() as u64);
        self.tick(nanos, out);
        Ok(())
    }
}

/// Up to `step` away from `value`, and never the same.
const fn walk(random: &mut u64, value: u64, step: u64, limit: u64) -> u64 {
    let by = 1 + next(random) % step;
    if (next(random).is_multiple_of(2) || value < by) && value + by < limit {
        value + by
    } else {
        value.saturating_sub(by)
    }
}

/// xorshift64 (Marsaglia, "Xorshift RNGs", 2003).
pub(crate) const fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
