//! From a batch to what a server is sent: one row per output, in memory.

#![expect(clippy::expect_used, reason = "a benchmark has nobody to report to")]

use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::output::Delivery;
use alumet_core::series::SeriesKey;
use alumet_core::time::{Clock, SystemClock};
use alumet_core::unit::Unit;
use alumet_core::{Attributes, Batch, Catalog, Consumer, Resource, Timestamp, Value, ValueType};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const SAMPLES: u32 = 8000;

/// Samples of one tick: energies, as numbers of a type.
fn samples(catalog: &Catalog, value_type: ValueType) -> Delivery {
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
    for pid in 0..SAMPLES {
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
    }
    Delivery::of(batch, SystemClock.now())
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("outputs");
    group.throughput(Throughput::Elements(SAMPLES.into()));
    let catalog = Catalog::new();
    for value_type in [ValueType::U64, ValueType::F64] {
        let delivery = samples(&catalog, value_type);
        let mut influxdb = alumet_plugin_influxdb::Encoder::new(&alumet_plugin_influxdb::Config::default());
        group.bench_function(format!("influxdb/{value_type}"), |bencher| {
            bencher.iter(|| influxdb.encode(&delivery).text.len());
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
    group.finish();
}

criterion_group!(benches, encode);
criterion_main!(benches);
