//! From a batch to lines of CSV, in memory and in a file.

#![expect(clippy::expect_used, reason = "a benchmark has nobody to report to")]

use alumet_benches::series;
use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::output::{Delivery, Output};
use alumet_core::series::SeriesKey;
use alumet_core::time::{Clock, SystemClock};
use alumet_core::unit::Unit;
use alumet_core::{Attributes, Batch, Catalog, Consumer, Resource, Timestamp, Value, ValueType};
use alumet_plugin_csv::{Config, CsvOutput, Encoder};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const LINES: u32 = 8000;

fn integers(catalog: &Catalog) -> Batch {
    let mut batch = catalog.batch();
    for (index, series) in series(catalog, LINES).iter().enumerate() {
        batch.push(
            series,
            Timestamp::from_nanos(1_795_159_476_123_456_789),
            index as u64 * 104_729,
        );
    }
    batch
}

fn floats(catalog: &Catalog) -> Batch {
    let metric = Metric {
        name: "attributed_energy".into(),
        kind: MetricKind::Delta,
        value_type: ValueType::F64,
        unit: Unit::JOULE.milli(),
        description: "A metric to measure how fast lines are made.".into(),
        quality: Quality::Modelled,
    };
    let metric = catalog.register_metric(metric).expect("a new catalog");
    let mut batch = catalog.batch();
    for pid in 0..LINES {
        let key = SeriesKey {
            metric,
            resource: Resource::CpuPackage { id: 0 },
            consumer: Consumer::Process { pid },
            attributes: Attributes::EMPTY.with("domain", "package_total"),
        };
        let value = Value::F64(f64::from(pid) / 977.0);
        batch
            .push_value(
                &catalog.register(key),
                Timestamp::from_nanos(1_795_159_476_123_456_789),
                value,
            )
            .expect("a float");
    }
    batch
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("csv");
    group.throughput(Throughput::Elements(LINES.into()));
    let catalog = Catalog::new();
    for (name, batch) in [
        ("encode_u64", integers(&catalog)),
        ("encode_f64", floats(&catalog)),
    ] {
        let mut encoder = Encoder::new(&Config::default());
        let delivery = Delivery::of(batch, SystemClock.now());
        encoder.begin(&delivery);
        let mut lines = Vec::new();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                lines.clear();
                encoder.encode(&delivery, &mut lines);
                lines.len()
            });
        });
    }
    let delivery = Delivery::of(integers(&catalog), SystemClock.now());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = Config {
        output_path: folder.path().join("bench.csv"),
        ..Config::default()
    };
    let mut output = CsvOutput::open(&config, SystemClock.now()).expect("a file");
    group.bench_function("encode_and_write_u64", |bencher| {
        bencher.iter(|| output.deliver(&delivery).expect("a write"));
    });
    group.finish();
}

criterion_group!(benches, encode);
criterion_main!(benches);
