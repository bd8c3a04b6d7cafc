//! Points that depend on those before, and what points belong to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use alumet_core::batch::Batch;
use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::output::Receipt;
use alumet_core::series::{SeriesHandle, SeriesKey};
use alumet_core::testkit::{Bench, FakeRoot};
use alumet_core::unit::Unit;
use alumet_core::{Attributes, Consumer, Failure, Resource, Timestamp, Value, ValueType};
use alumet_plugin_opentelemetry::{Config, OpentelemetryPlugin, Protocol, Temporality};
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;

use crate::collector::{Collector, Point, Verdict, config};

/// What is measured, by whom it is used, what else is said of it, when and how much.
type Sample = (Resource, Consumer, Attributes, i64, u64);

/// Energies, in mJ, and what keeps their series.
fn energy(bench: &Bench, samples: &[Sample]) -> (Batch, Vec<SeriesHandle>) {
    let catalog = bench.catalog();
    let metric = Metric {
        name: "energy".into(),
        kind: MetricKind::Delta,
        value_type: ValueType::U64,
        unit: Unit::JOULE.milli(),
        description: "Energy.".into(),
        quality: Quality::Estimated,
    };
    let metric = catalog.register_metric(metric).unwrap();
    let (mut batch, mut kept) = (catalog.batch(), Vec::new());
    for (resource, consumer, attributes, time, value) in samples {
        let series = catalog.register(SeriesKey {
            metric,
            resource: resource.clone(),
            consumer: consumer.clone(),
            attributes: attributes.clone(),
        });
        let time = Timestamp::from_nanos(*time);
        batch.push_value(&series, time, Value::U64(*value)).unwrap();
        kept.push(series);
    }
    (batch, kept)
}

fn of_package(bench: &Bench, samples: &[(i64, u64)]) -> (Batch, Vec<SeriesHandle>) {
    let sample = |(time, value): &(i64, u64)| {
        let package = Resource::CpuPackage { id: 0 };
        (package, Consumer::LocalMachine, Attributes::EMPTY, *time, *value)
    };
    energy(bench, &samples.iter().map(sample).collect::<Vec<_>>())
}

/// Since when a point counts, its time and its number.
fn numbers(points: &[Point]) -> Vec<(u64, u64, i64)> {
    let number = |point: &Point| match point.value {
        Number::AsInt(value) => (point.start, point.time, value),
        Number::AsDouble(value) => panic!("{value}"),
    };
    points.iter().map(number).collect()
}

#[test]
fn samples_that_come_again_say_the_same_as_before() {
    for (temporality, expected) in [
        (
            Temporality::Delta,
            [(10, 10, 0), (10, 20, 5), (20, 30, 6), (30, 40, 7)],
        ),
        (
            Temporality::Cumulative,
            [(10, 10, 0), (10, 20, 5), (10, 30, 11), (10, 40, 18)],
        ),
    ] {
        let asked = AtomicU32::new(0);
        // Every second request.
        let collector = Collector::judging(Protocol::Grpc, move |_, _| {
            match asked.fetch_add(1, Ordering::Relaxed) % 2 {
                0 => Verdict::Busy,
                _ => Verdict::Taken,
            }
        });
        let config = Config {
            temporality,
            ..config(Protocol::Grpc, collector.port)
        };
        let mut bench = Bench::start::<OpentelemetryPlugin>(config, "/").unwrap();
        let (_, _kept) = of_package(&bench, &[(10, 0)]);
        for samples in [[(10, 0), (20, 5)], [(30, 6), (40, 7)]] {
            let (once, _) = of_package(&bench, &samples);
            let failure: Failure = bench.deliver(0, once).unwrap_err();
            assert!(failure.to_string().contains("UNAVAILABLE: not now"), "{failure}");
            let (again, _) = of_package(&bench, &samples);
            assert_eq!(bench.deliver(0, again).unwrap(), Receipt::all());
        }
        assert_eq!(numbers(&collector.points()), expected);
    }
}

#[test]
fn each_resource_has_the_attributes_that_tell_where_it_is_and_which() {
    let collector = Collector::start(Protocol::Grpc);
    let mut config = config(Protocol::Grpc, collector.port);
    config.resource_attributes = BTreeMap::from([
        ("deployment.environment.name".to_owned(), "lab".to_owned()),
        ("service.name".to_owned(), String::new()),
    ]);
    let root = FakeRoot::new();
    root.write("proc/sys/kernel/hostname", "here\n");
    root.write("etc/machine-id", "0123\n");
    let mut bench = Bench::start::<OpentelemetryPlugin>(config, root.path()).unwrap();
    let (uid, container) = ("01234567-89ab-cdef-0123-456789abcdef", "89abcdef".repeat(8));
    let path: Arc<str> = format!("/kubepods/pod{uid}/{container}").into();
    let machine = || (Resource::LocalMachine, Attributes::EMPTY);
    let process = Consumer::Process { pid: 7 };
    let group = Consumer::ControlGroup { path };
    let batch = [
        (Consumer::LocalMachine, machine()),
        (process.clone(), machine()),
        (group, machine()),
        {
            let (resource, attributes) = machine();
            (process, (resource, attributes.with("node", "there")))
        },
    ];
    let batch = batch.map(|(consumer, (resource, attributes))| (resource, consumer, attributes, 10, 0));
    let (batch, _) = energy(&bench, &batch);
    bench.deliver(0, batch).unwrap();
    let text = |text: &str| AnyValue::StringValue(text.to_owned());
    let here = [("host.name", text("here")), ("host.id", text("0123"))];
    let pod = [("k8s.pod.uid", text(uid)), ("container.id", text(&container))];
    let process = ("process.pid", AnyValue::IntValue(7));
    let expected: Vec<Vec<(&str, AnyValue)>> = vec![
        here.to_vec(),
        [&here[..], std::slice::from_ref(&process)].concat(),
        [&here[..], &pod].concat(),
        vec![("host.name", text("there")), process],
    ];
    let points = collector.points();
    assert_eq!(points.len(), expected.len());
    for (point, expected) in points.iter().zip(expected) {
        let lab = ("deployment.environment.name", text("lab"));
        let expected = expected.into_iter().chain([lab]);
        let expected: BTreeMap<_, _> = expected.map(|(key, value)| (key.to_owned(), value)).collect();
        assert_eq!(point.resource, expected);
        assert_eq!(point.labels["metric_quality"], text("estimated"));
    }
}

#[test]
fn energy_of_hardware_is_that_of_the_semantic_conventions_if_it_is_to_be() {
    let collector = Collector::start(Protocol::Grpc);
    let config = Config {
        semantic_names: true,
        add_attributes_to_labels: false,
        ..config(Protocol::Grpc, collector.port)
    };
    let mut bench = Bench::start::<OpentelemetryPlugin>(config, "/").unwrap();
    let gpu = Resource::Gpu { bus_id: "0:1".into() };
    let attributes = Attributes::EMPTY.with("domain", "package");
    let batch = [
        (gpu.clone(), Consumer::LocalMachine, attributes.clone(), 10, 1500),
        (gpu, Consumer::Process { pid: 7 }, attributes.clone(), 20, 1500),
        (
            Resource::LocalMachine,
            Consumer::LocalMachine,
            attributes,
            30,
            1500,
        ),
    ];
    let (batch, _) = energy(&bench, &batch);
    bench.deliver(0, batch).unwrap();
    let mut points = collector.points();
    points.sort_by_key(|point| point.time);
    let found: Vec<_> = points
        .iter()
        .map(|point| (&*point.name, &*point.unit, point.value))
        .collect();
    let as_it_is = ("energy_alumet", "mJ", Number::AsInt(1500));
    assert_eq!(
        found,
        [("hw.energy", "J", Number::AsDouble(1.5)), as_it_is, as_it_is]
    );
    let text = |text: &str| AnyValue::StringValue(text.to_owned());
    let labels = &points[0].labels;
    assert_eq!(
        (&labels["hw.id"], &labels["hw.type"]),
        (&text("gpu:0:1"), &text("gpu"))
    );
    assert_eq!(labels["alumet.metric"], text("energy"));
    assert!(points.iter().all(|point| !point.labels.contains_key("domain")));
}
