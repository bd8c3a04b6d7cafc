//! Energy shared over 5000 processes by `energy-attribution`: a tick with the usage of each of them and the energy of it.

#![expect(clippy::expect_used, reason = "a benchmark has nobody to report to")]

use std::time::Duration;

use alumet_core::Batch;
use alumet_core::metric::MetricDef;
use alumet_core::progress::{Progress, StreamId};
use alumet_core::series::SeriesHandle;
use alumet_core::testkit::Bench;
use alumet_core::time::Clock;
use alumet_core::unit::Unit;
use alumet_core::value::Number;
use alumet_core::{Consumer, Resource, Timestamp};
use alumet_plugin_energy_attribution::{Config, EnergyAttributionPlugin};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

alumet_core::metrics! {
    RAPL = Delta<f64> {
        name: "rapl_consumed_energy", unit: Unit::JOULE, description: "For this benchmark.",
    };
    CPU_TIME = Delta<u64> {
        name: "cpu_time_delta", unit: Unit::SECOND.nano(), description: "For this benchmark.",
    };
    KERNEL_TIME = Delta<u64> {
        name: "kernel_cpu_time", unit: Unit::SECOND.milli(), description: "For this benchmark.",
    };
    CPU_PERCENT = Gauge<f64> {
        name: "cpu_percent", unit: Unit::PERCENT, description: "For this benchmark.",
    };
}

const CONSUMERS: u32 = 5000;

const MODEL: &str = r#"
    [models.joules]
    model = "share_idle"
    energy = [{ metric = "rapl_consumed_energy", domain = "package" }]
    usage = [{ metric = "cpu_time_delta", kind = "user" }]
    machine = [{ metric = "kernel_cpu_time", cpu_state = "user" }]
    idle = [{ metric = "kernel_cpu_time", cpu_state = "idle" }]
"#;

const FORMULA: &str = r#"
    [formulas.joules]
    expr = "energy * usage / 100.0"
    ref = "energy"
    per_resource.energy = { metric = "rapl_consumed_energy", domain = "package" }
    per_consumer.usage = { metric = "cpu_percent", kind = "user" }
"#;

struct Stage {
    bench: Bench,
    stream: StreamId,
    machine: Vec<SeriesHandle>,
    consumers: Vec<SeriesHandle>,
}

impl Stage {
    fn new(config: &str, usage: &MetricDef<impl Number>) -> Self {
        let config: Config = toml::from_str(config).expect("a configuration");
        let bench = Bench::start::<EnergyAttributionPlugin>(config, "/").expect("a plugin that starts");
        let all = Consumer::LocalMachine;
        let machine = vec![
            series(&bench, &RAPL, all.clone(), ("domain", "package")),
            series(&bench, &KERNEL_TIME, all.clone(), ("cpu_state", "user")),
            series(&bench, &KERNEL_TIME, all, ("cpu_state", "idle")),
        ];
        let process = |pid| series(&bench, usage, Consumer::Process { pid }, ("kind", "user"));
        let consumers = (0..CONSUMERS).map(process).collect();
        let mut stage = Self {
            stream: StreamId::new(),
            machine,
            consumers,
            bench,
        };
        (0..3).for_each(|_| {
            let mut batch = stage.tick();
            stage
                .bench
                .transform(&mut batch)
                .expect("a transform without errors");
        });
        stage
    }

    /// What the sources make in a second.
    fn tick(&mut self) -> Batch {
        self.bench.advance(Duration::from_secs(1));
        let now = self.bench.clock().now();
        let mut batch = self.bench.catalog().batch();
        for (series, value) in self.machine.iter().zip([50_f64.to_bits(), 8000, 4000]) {
            batch.push_bits(series, now.wall, value);
        }
        self.consumers
            .iter()
            .for_each(|series| push(&mut batch, series, now.wall));
        let stream = self.stream;
        batch.set_progress(Progress { stream, until: now });
        batch
    }
}

/// A millisecond, or so many percent.
fn push(batch: &mut Batch, series: &SeriesHandle, at: Timestamp) {
    let bits = match series.id().value_type() {
        alumet_core::value::ValueType::F64 => 0.02_f64.to_bits(),
        _ => 1_000_000,
    };
    batch.push_bits(series, at, bits);
}

fn series<T: Number>(
    bench: &Bench,
    metric: &MetricDef<T>,
    consumer: Consumer,
    attribute: (&'static str, &'static str),
) -> SeriesHandle {
    let metric = bench.catalog().metric(metric).expect("a new catalog");
    let series = bench.catalog().series(metric, Resource::LocalMachine, consumer);
    series
        .attribute(attribute.0, attribute.1)
        .register()
        .handle()
        .clone()
}

fn attribute(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("attribution");
    group.throughput(Throughput::Elements(u64::from(CONSUMERS)));
    let stages = [
        ("model", Stage::new(MODEL, &CPU_TIME)),
        ("formula", Stage::new(FORMULA, &CPU_PERCENT)),
    ];
    for (name, stage) in stages {
        let stage = std::cell::RefCell::new(stage);
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || stage.borrow_mut().tick(),
                |mut batch| {
                    let mut stage = stage.borrow_mut();
                    stage
                        .bench
                        .transform(&mut batch)
                        .expect("a transform without errors");
                    assert!(batch.len() > 2 * CONSUMERS as usize, "each has a result");
                    batch
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
    assert_eq!(all().len(), 4, "the metrics of the benchmark");
}

criterion_group!(benches, attribute);
criterion_main!(benches);
