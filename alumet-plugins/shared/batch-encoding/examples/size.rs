//! Prints how many bytes and nanoseconds a sample costs, for data like that of a machine with 1000 control groups.

#![expect(clippy::print_stdout, reason = "a program for people")]

use std::hint::black_box;
use std::time::Instant;

use alumet_core::catalog::MetricHandle;
use alumet_core::metric::Quality;
use alumet_core::{
    Batch, Catalog, Consumer, Metric, MetricKind, Resource, Series, Timestamp, Unit, ValueType,
};
use alumet_shared_batch_encoding::{Amendment, Decoder, Encoder, Limits};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!(
        "{:<44} {:>8} {:>9} {:>9} {:>9} {:>12}",
        "", "samples", "B/sample", "encode ns", "decode ns", "definitions"
    );
    let cases = [
        ("(a) 1000 groups x 8, one tick, idle", 1000, 1, 0),
        ("(b) 1000 groups x 8, one tick, all active", 1000, 1, 100),
        ("    1000 groups x 8, one tick, 5 % active", 1000, 1, 5),
        ("    1000 groups x 8, 5 ticks, 5 % active", 1000, 5, 5),
        ("    1000 groups x 8, 5 ticks, all active", 1000, 5, 100),
        ("(c) 100 series, one tick, all active", 13, 1, 100),
        ("    100 series, one tick, idle", 13, 1, 0),
        ("(d) 10 samples", 2, 1, 100),
        ("    8 series, 1000 ticks, all active", 1, 1000, 100),
    ];
    for (name, groups, ticks, active) in cases {
        measure(name, groups, ticks, active)?;
    }
    Ok(())
}

fn measure(name: &str, groups: usize, ticks: usize, active: u64) -> Result<(), Box<dyn std::error::Error>> {
    let catalog = Catalog::new();
    let mut machine = Machine::new(&catalog, groups)?;
    let mut encoder = Encoder::new(1);
    let there = Catalog::new();
    let mut decoder = Decoder::new(Limits::default());

    let batches: Vec<Batch> = (0..20).map(|_| machine.batch(&catalog, ticks, active)).collect();
    let first = encoder.encode(&batches[0]);
    let definitions = first.definitions.ok_or("the first batch defines its series")?;
    decoder.define(&definitions, &there, &Amendment::default())?;

    let samples: usize = batches.iter().map(Batch::len).sum();
    let rounds = (2_000_000 / samples).max(1);
    let start = Instant::now();
    for _ in 0..rounds {
        for batch in &batches {
            black_box(encoder.encode(batch));
        }
    }
    let encoding = start.elapsed();
    let payloads: Vec<_> = batches
        .iter()
        .map(|batch| encoder.encode(batch).payload)
        .collect();
    let bytes: usize = payloads.iter().map(|payload| payload.len()).sum();
    let start = Instant::now();
    for _ in 0..rounds {
        for payload in &payloads {
            let mut batch = there.batch();
            decoder.decode(1, payload, &mut batch)?;
            black_box(batch);
        }
    }
    let decoding = start.elapsed();
    let total = (samples * rounds) as f64;
    println!(
        "{name:<44} {:>8} {:>9.3} {:>9.1} {:>9.1} {:>12}",
        samples / batches.len(),
        bytes as f64 / samples as f64,
        encoding.as_nanos() as f64 / total,
        decoding.as_nanos() as f64 / total,
        definitions.payload.len(),
    );
    Ok(())
}

/// Control groups whose counters advance.
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

impl Machine {
    fn new(catalog: &Catalog, groups: usize) -> Result<Self, Box<dyn std::error::Error>> {
        let integer = |name: &str, kind, unit| -> Result<MetricHandle<u64>, Box<dyn std::error::Error>> {
            let id = catalog.register_metric(metric(name, kind, ValueType::U64, unit))?;
            Ok(catalog.typed_metric(id)?)
        };
        let cpu = integer("cpu_time_delta", MetricKind::Delta, Unit::SECOND.nano())?;
        let memory = ["memory_usage", "cgroup_memory_anonymous", "cgroup_memory_file"]
            .map(|name| integer(name, MetricKind::Gauge, Unit::BYTE));
        let percent = catalog.register_metric(metric(
            "cpu_percent",
            MetricKind::Gauge,
            ValueType::F64,
            Unit::PERCENT,
        ))?;
        let percent = catalog.typed_metric::<f64>(percent)?;
        let read = integer("io_read_bytes", MetricKind::Counter, Unit::BYTE)?;
        let [usage, anonymous, file] = memory;
        let memory = [usage?, anonymous?, file?];

        let mut random = 42;
        let groups = (0..groups).map(|number| {
            let path =
                format!("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{number:08x}.slice");
            let consumer = Consumer::ControlGroup {
                path: path.as_str().into(),
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
        let groups = groups.collect();
        let now = 1_800_000_000_000_000_000;
        Ok(Self { groups, now, random })
    }

    /// Some ticks, in which that many percent of the groups do something.
    fn batch(&mut self, catalog: &Catalog, ticks: usize, active: u64) -> Batch {
        let mut batch = catalog.batch();
        for _ in 0..ticks {
            self.now += 1_000_000_000 + (next(&mut self.random) % 100_000) as i64;
            let now = Timestamp::from_nanos(self.now);
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
        batch
    }
}

fn metric(name: &str, kind: MetricKind, value_type: ValueType, unit: Unit) -> Metric {
    Metric {
        name: name.to_owned().into(),
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
