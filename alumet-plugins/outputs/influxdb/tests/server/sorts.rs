use std::collections::BTreeMap;

use alumet_core::attributes::AttributeValue;
use alumet_core::output::{Receipt, RecordedSample};
use alumet_core::testkit::{Bench, ManualClock};
use alumet_core::value::Value;
use alumet_plugin_influxdb::{AttributesAs, Config, InfluxdbPlugin};
use alumet_shared_output_testkit::{samples_of_every_sort, with_attributes};
use serde_json::{Value as Json, json};

use crate::influx::{Influx, config};

/// The text that `%0A` and the like stand for.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let code = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap()
}

fn is_same(sent: &Json, found: &Json) -> bool {
    match (sent.as_f64(), found.as_f64()) {
        (Some(sent), Some(found)) if sent.fract() != 0.0 => (sent - found).abs() <= sent.abs() * 1e-15,
        (Some(sent), Some(found)) if sent.abs() > 1e19 => sent == found,
        _ => sent == found,
    }
}

/// What the README says that a sample becomes; `None` for one that is refused.
fn expected(sample: &RecordedSample, config: &Config) -> Option<BTreeMap<String, Json>> {
    let value = match sample.value {
        Value::U64(value) => json!(i64::try_from(value).ok()?),
        Value::I64(value) => json!(value),
        Value::F64(value) if value.is_finite() => json!(value),
        Value::F64(_) => return None,
    };
    let series = &sample.series;
    let mut cells = BTreeMap::from([("value".to_owned(), value)]);
    for (key, text) in [
        ("resource_kind", series.resource().kind().to_owned()),
        ("resource_id", series.resource().id().into_owned()),
        ("resource_consumer_kind", series.consumer().kind().to_owned()),
        ("resource_consumer_id", series.consumer().id().into_owned()),
        ("metric_unit", series.metric.unit.code().into_owned()),
        ("metric_kind", series.metric.kind.to_string()),
    ] {
        cells.insert(key.to_owned(), json!(text));
    }
    for (key, value) in series.attributes().iter() {
        let is_reserved = cells.contains_key(&**key) || ["time"].contains(&&**key) || key.starts_with('_');
        let name = if is_reserved {
            format!("alumet_attribute__{key}")
        } else {
            key.to_string()
        };
        let is_tag = config.attributes_as == AttributesAs::Tag;
        let cell = match value {
            AttributeValue::Text(text) if text.is_empty() && is_tag => continue,
            AttributeValue::I64(value) if !is_tag => json!(value),
            AttributeValue::U64(value) if !is_tag && i64::try_from(*value).is_ok() => json!(value),
            AttributeValue::F64(value) if !is_tag => json!(value),
            AttributeValue::Bool(value) if !is_tag => json!(value),
            other => json!(other.to_string()),
        };
        cells.insert(name, cell);
    }
    Some(cells)
}

fn read_back(attributes_as: AttributesAs) {
    let Some(influx) = Influx::start("max-body-size = 0") else {
        return;
    };
    influx.query("ALTER RETENTION POLICY autogen ON samples SHARD DURATION 520w");
    let config = Config {
        attributes_as,
        ..config(influx.port)
    };
    let mut bench = Bench::start::<InfluxdbPlugin>(config.clone(), "/").unwrap();
    let batch = samples_of_every_sort(bench.catalog(), ManualClock::START);
    let sent = RecordedSample::of_batch(&batch);
    let mut receipt = Receipt::all();
    let mut points = BTreeMap::new();
    for (position, sample) in sent.iter().enumerate() {
        match expected(sample, &config) {
            Some(cells) => drop(points.insert(
                sample.timestamp.as_nanos(),
                (sample.series.metric.name.to_string(), cells),
            )),
            None if matches!(sample.value, Value::F64(_)) => {
                receipt.reject(position, "line protocol has neither NaN nor infinities");
            }
            None => receipt.reject(
                position,
                "a signed integer is too small for it; see `unsigned_as`",
            ),
        }
    }
    assert_eq!(bench.deliver(0, batch).unwrap(), receipt);

    let found = influx.points();
    assert_eq!(found.len(), points.len());
    for (time, (name, cells)) in points {
        let (found_name, found) = &found[&time];
        assert_eq!(*found_name, name);
        let found: BTreeMap<String, Json> = found
            .iter()
            .map(|(key, value)| {
                (
                    decoded(key),
                    value.as_str().map_or(value.clone(), |text| json!(decoded(text))),
                )
            })
            .collect();
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            cells.keys().collect::<Vec<_>>(),
            "{name}"
        );
        for (key, cell) in &cells {
            assert!(
                is_same(cell, &found[key]),
                "{name} {key}: {cell} and not {}",
                found[key]
            );
        }
    }
}

#[test]
fn every_sort_of_sample_is_read_back_as_it_was_with_attributes_as_tags() {
    read_back(AttributesAs::Tag);
}

#[test]
fn every_sort_of_sample_is_read_back_as_it_was_with_attributes_as_fields() {
    read_back(AttributesAs::Field);
}

#[test]
fn attributes_that_would_have_the_same_name_stay_two() {
    let Some(influx) = Influx::start("") else { return };
    influx.query("ALTER RETENTION POLICY autogen ON samples SHARD DURATION 520w");
    let mut bench = Bench::start::<InfluxdbPlugin>(config(influx.port), "/").unwrap();
    let batch = with_attributes(bench.catalog(), &["value", "alumet_attribute__value"]);
    assert_eq!(bench.deliver(0, batch).unwrap(), Receipt::all());
    let points = influx.points();
    let (_, (_, cells)) = points.first_key_value().unwrap();
    assert_eq!(cells["alumet_attribute__value"], "alumet_attribute__value");
    assert_eq!(cells["alumet_attribute__alumet_attribute__value"], "value");
}
