//! From a batch to what a server is sent: one row per output, in memory.

#![expect(clippy::expect_used, reason = "a benchmark has nobody to report to")]

use std::net::Ipv4Addr;

use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::output::Delivery;
use alumet_core::series::{SeriesHandle, SeriesKey};
use alumet_core::time::{Clock, SystemClock};
use alumet_core::unit::Unit;
use alumet_core::{Attributes, Batch, Catalog, Consumer, Resource, Timestamp, Value, ValueType};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const SAMPLES: u32 = 8000;
/// Those of a scrape.
const SERIES: u32 = 100_000;

/// Samples of one tick: energies, as numbers of a type; and their series, which live as long as these handles.
fn samples(catalog: &Catalog, value_type: ValueType, count: u32) -> (Vec<SeriesHandle>, Delivery) {
    let metric = Metric {
        name: format!("attributed_energy_{value_type}").into(),
        kind: MetricKind::Delta,
        value_type,
        unit: Unit::JOULE.milli(),
        description: "A metric to measure how fast samples are encoded.".into(),
        quality: Quality::Measured,
    };
    let metric = catalog.register_metric(metric).expect("a new catalog");
    let mut batch: Batch = catalog.batch();
    let mut all = Vec::new();
    for pid in 0..count {
        let series = catalog.register(SeriesKey {
            metric,
            resource: Resource::CpuPackage { id: 0 },
            consumer: Consumer::Process { pid },
            attributes: Attributes::EMPTY.with("domain", "package_total"),
        });
        let value = match value_type {
            ValueType::F64 => Value::F64(f64::from(pid) / 977.0),
            _ => Value::U64(u64::from(pid) * 104_729),
        };
        batch
            .push_value(&series, Timestamp::from_nanos(1_795_159_476_123_456_789), value)
            .expect("the type of the metric");
        all.push(series);
    }
    (all, Delivery::of(batch, SystemClock.now()))
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("outputs");
    group.throughput(Throughput::Elements(SAMPLES.into()));
    let catalog = Catalog::new();
    for value_type in [ValueType::U64, ValueType::F64] {
        let (_series, delivery) = samples(&catalog, value_type, SAMPLES);
        let mut influxdb = alumet_plugin_influxdb::Encoder::new(&alumet_plugin_influxdb::Config::default());
        group.bench_function(format!("influxdb/{value_type}"), |bencher| {
            bencher.iter(|| influxdb.encode(&delivery).text.len());
        });
        let mut mongodb = alumet_plugin_mongodb::Encoder::new(&alumet_plugin_mongodb::Config::default());
        group.bench_function(format!("mongodb/{value_type}"), |bencher| {
            bencher.iter(|| mongodb.encode(&delivery).expect("not too large").as_bytes().len());
        });
        let config = alumet_plugin_opentelemetry::Config::default();
        let mut opentelemetry = alumet_plugin_opentelemetry::Encoder::new(&config, Attributes::EMPTY);
        group.bench_function(format!("opentelemetry/{value_type}"), |bencher| {
            bencher.iter(|| opentelemetry.encode(&delivery).message.len());
        });
        let mut elasticsearch =
            alumet_plugin_elasticsearch::Encoder::new(&alumet_plugin_elasticsearch::Config::default());
        group.bench_function(format!("elasticsearch/{value_type}"), |bencher| {
            bencher.iter(|| elasticsearch.encode(&delivery).text.len());
        });
        let config = alumet_plugin_kwollect_output::Config::default();
        let mut kwollect = alumet_plugin_kwollect_output::Encoder::new(&config, "taurus-7".to_owned());
        group.bench_function(format!("kwollect-output/{value_type}"), |bencher| {
            bencher.iter(|| kwollect.encode(&delivery).text.len());
        });
    }
    let config = alumet_plugin_prometheus_exporter::Config::default();
    for value_type in [ValueType::U64, ValueType::F64] {
        let (_series, delivery) = samples(&catalog, value_type, SAMPLES);
        let mut exporter = alumet_plugin_prometheus_exporter::Store::new(&config, catalog.clone());
        group.bench_function(format!("prometheus-exporter/{value_type}"), |bencher| {
            bencher.iter(|| exporter.update(&delivery));
        });
    }
    group.finish();
}

/// What a scrape costs: text and number of each series, without compression.
fn scrape(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scrape");
    group.throughput(Throughput::Elements(SERIES.into()));
    for created_timestamps in [false, true] {
        let catalog = Catalog::new();
        let config = alumet_plugin_prometheus_exporter::Config {
            created_timestamps,
            ..Default::default()
        };
        let (_series, delivery) = samples(&catalog, ValueType::U64, SERIES);
        let mut exporter = alumet_plugin_prometheus_exporter::Store::new(&config, catalog.clone());
        exporter.update(&delivery);
        let format = alumet_plugin_prometheus_exporter::Format {
            is_open_metrics: true,
            ..alumet_plugin_prometheus_exporter::Format::TEXT
        };
        let name = if created_timestamps {
            "with_created"
        } else {
            "without_created"
        };
        group.bench_function(format!("{SERIES}/{name}"), |bencher| {
            bencher.iter(|| {
                let mut text = Vec::new();
                exporter.scrape(
                    format,
                    Ipv4Addr::LOCALHOST.into(),
                    delivery.now().monotonic,
                    &mut text,
                );
                text.len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, encode, scrape);
criterion_main!(benches);
