use std::collections::BTreeMap;

use alumet_core::attributes::AttributeValue;
use alumet_core::metric::MetricKind;
use alumet_core::output::{Receipt, RecordedSample};
use alumet_core::testkit::{Bench, FakeRoot, ManualClock};
use alumet_core::value::{Value, ValueType};
use alumet_plugin_opentelemetry::{Config, OpentelemetryPlugin, Protocol, Temporality};
use alumet_shared_output_testkit::{samples_of_every_sort, with_attributes};
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue as Any, ArrayValue};
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;

use crate::collector::{Collector, Point, config};

fn any(value: &AttributeValue) -> AnyValue {
    match value {
        AttributeValue::U64(value) => match i64::try_from(*value) {
            Ok(value) => AnyValue::IntValue(value),
            Err(_) => AnyValue::StringValue(value.to_string()),
        },
        AttributeValue::I64(value) => AnyValue::IntValue(*value),
        AttributeValue::F64(value) => AnyValue::DoubleValue(*value),
        AttributeValue::Bool(value) => AnyValue::BoolValue(*value),
        AttributeValue::Text(text) => AnyValue::StringValue(text.to_string()),
        AttributeValue::ListU64(values) => AnyValue::ArrayValue(ArrayValue {
            values: values
                .iter()
                .map(|value| Any {
                    value: Some(any(&AttributeValue::U64(*value))),
                })
                .collect(),
        }),
    }
}

fn text(text: impl Into<String>) -> AnyValue {
    AnyValue::StringValue(text.into())
}

/// What the README says that a sample becomes; a reason for one that is refused. Each is the first of its series.
fn expected(sample: &RecordedSample, config: &Config) -> Result<Point, &'static str> {
    let metric = &sample.series.metric;
    let is_sum = metric.kind != MetricKind::Gauge;
    let value = match sample.value {
        Value::U64(value) => match i64::try_from(value) {
            Ok(value) => Number::AsInt(value),
            Err(_) => Number::AsDouble(value as f64),
        },
        Value::I64(value) => Number::AsInt(value),
        Value::F64(value) if is_sum && !value.is_finite() => {
            return Err("a sum has neither NaN nor infinities");
        }
        Value::F64(value) if is_sum && value < 0.0 => {
            return Err("a sum that only grows has no negative part");
        }
        Value::F64(value) => Number::AsDouble(value),
    };
    let time = sample.timestamp.as_nanos().cast_unsigned();
    let is_delta = metric.kind == MetricKind::Delta && config.temporality == Temporality::Delta;
    let data = match (is_sum, is_delta) {
        (false, _) => "gauge",
        (true, true) => "delta",
        (true, false) => "cumulative",
    };
    let monotonic = if is_sum && metric.value_type != ValueType::I64 {
        " monotonic"
    } else {
        ""
    };
    let mut labels = BTreeMap::from([
        ("resource_kind".to_owned(), text("cpu_package")),
        ("resource_id".to_owned(), text("0")),
        ("resource_consumer_kind".to_owned(), text("process")),
        ("resource_consumer_id".to_owned(), text("4711")),
    ]);
    for (key, value) in sample.series.attributes().iter() {
        let key = match key.starts_with("resource_") {
            true => format!("alumet_attribute__{key}"),
            false => key.to_string(),
        };
        labels.insert(key, any(value));
    }
    Ok(Point {
        name: format!("{}_alumet", metric.name),
        description: metric.description.to_string(),
        unit: metric.unit.code().into_owned(),
        data: format!("{data}{monotonic}"),
        resource: BTreeMap::from([
            ("service.name".to_owned(), text("alumet")),
            ("host.name".to_owned(), text("here")),
            ("process.pid".to_owned(), AnyValue::IntValue(4711)),
        ]),
        labels,
        start: match (is_sum, is_delta) {
            (false, _) => 0,
            (true, true) if sample.value.as_f64() != 0.0 => 0,
            (true, _) => time,
        },
        time,
        value,
    })
}

/// NaN is equal to itself here.
fn is_same(one: &Point, other: &Point) -> bool {
    let is_nan = |point: &Point| matches!(point.value, Number::AsDouble(value) if value.is_nan());
    let value = Number::AsInt(0);
    if is_nan(one) && is_nan(other) {
        let (one, other) = (one.clone(), other.clone());
        return Point { value, ..one } == Point { value, ..other };
    }
    one == other
}

fn read_back(protocol: Protocol, temporality: Temporality) {
    let collector = Collector::start(protocol);
    let config = Config {
        temporality,
        ..config(protocol, collector.port)
    };
    let root = FakeRoot::new();
    root.write("proc/sys/kernel/hostname", "here\n");
    let mut bench = Bench::start::<OpentelemetryPlugin>(config.clone(), root.path()).unwrap();
    let batch = samples_of_every_sort(bench.catalog(), ManualClock::START);
    let sent = RecordedSample::of_batch(&batch);
    let (mut receipt, mut points) = (Receipt::all(), Vec::new());
    for (position, sample) in sent.iter().enumerate() {
        match expected(sample, &config) {
            Ok(point) => points.push(point),
            Err(reason) => receipt.reject(position, reason),
        }
    }
    assert_eq!(bench.deliver(0, batch).unwrap(), receipt);
    let mut found = collector.points();
    // Their times are all different.
    found.sort_by_key(|point| point.time);
    assert_eq!(found.len(), points.len());
    for (found, expected) in found.iter().zip(&points) {
        assert!(is_same(found, expected), "{found:?}\n{expected:?}");
    }
}

#[test]
fn every_sort_of_sample_is_read_back_as_it_was_over_grpc() {
    read_back(Protocol::Grpc, Temporality::Delta);
}

#[test]
fn every_sort_of_sample_is_read_back_as_it_was_over_http_and_added_up() {
    read_back(Protocol::Http, Temporality::Cumulative);
}

#[test]
fn attributes_that_would_have_the_same_name_stay_two() {
    let collector = Collector::start(Protocol::Grpc);
    let mut bench = Bench::start::<OpentelemetryPlugin>(config(Protocol::Grpc, collector.port), "/").unwrap();
    let batch = with_attributes(bench.catalog(), &["resource_id", "alumet_attribute__resource_id"]);
    bench.deliver(0, batch).unwrap();
    let labels = &collector.points()[0].labels;
    let text = |text: &str| AnyValue::StringValue(text.to_owned());
    assert_eq!(
        labels["alumet_attribute__resource_id"],
        text("alumet_attribute__resource_id")
    );
    assert_eq!(
        labels["alumet_attribute__alumet_attribute__resource_id"],
        text("resource_id")
    );
}
