use std::collections::BTreeMap;

use alumet_core::attributes::AttributeValue;
use alumet_core::output::{Receipt, RecordedSample};
use alumet_core::testkit::{Bench, ManualClock};
use alumet_core::value::Value;
use alumet_plugin_kwollect_output::KwollectOutputPlugin;
use alumet_shared_output_testkit::samples_of_every_sort;
use serde_json::{Value as Json, json};

use crate::kwollect::{Kwollect, config};

/// What the README says that a sample becomes, but for its time; `None` for one that is refused.
fn expected(sample: &RecordedSample) -> Option<Json> {
    let value = match sample.value {
        Value::U64(value) => json!(value),
        Value::I64(value) => json!(value),
        Value::F64(value) if value.is_finite() => json!(value),
        Value::F64(_) => return None,
    };
    let series = &sample.series;
    let mut labels = json!({
        "resource_kind": series.resource().kind(),
        "resource_id": series.resource().id(),
        "consumer_kind": series.consumer().kind(),
        "consumer_id": series.consumer().id(),
    });
    for (key, value) in series.attributes().iter() {
        let is_taken = ["resource_kind", "resource_id", "consumer_kind", "consumer_id"].contains(&&**key);
        let key = if is_taken {
            format!("_{key}")
        } else {
            key.to_string()
        };
        labels[key] = match value {
            AttributeValue::U64(value) => json!(value),
            AttributeValue::I64(value) => json!(value),
            AttributeValue::F64(value) => json!(value),
            AttributeValue::Bool(value) => json!(value),
            AttributeValue::ListU64(values) => json!(values.to_vec()),
            text => json!(text.to_string()),
        };
    }
    let unit = series.metric.unit.symbol();
    let separator = if unit.is_empty() { "" } else { "_" };
    Some(json!({
        "value": value,
        "metric_id": format!("{}{separator}{unit}", series.metric.name),
        "device_id": "taurus-7",
        "labels": labels,
    }))
}

#[test]
fn every_sort_of_sample_is_read_back_as_it_was() {
    let kwollect = Kwollect::start(|_| false);
    let mut bench = Bench::start::<KwollectOutputPlugin>(config(kwollect.port()), "/").unwrap();
    let batch = samples_of_every_sort(bench.catalog(), ManualClock::START);
    let mut receipt = Receipt::all();
    let mut sent = Vec::new();
    for (position, sample) in RecordedSample::of_batch(&batch).iter().enumerate() {
        match expected(sample) {
            Some(metric) => sent.push(metric),
            None => receipt.reject(position, "JSON has neither NaN nor infinities"),
        }
    }
    assert_eq!(bench.deliver(0, batch).unwrap(), receipt);
    let mut found = kwollect.metrics();
    for metric in &mut found {
        let time = metric.as_object_mut().unwrap().remove("timestamp").unwrap();
        // As a floating point number, it has no nanoseconds any more.
        assert_eq!(time.as_f64().unwrap(), ManualClock::START.as_nanos() as f64 / 1e9);
    }
    assert_eq!(found, sent);
}

#[test]
fn a_time_is_in_seconds_with_all_nanoseconds() {
    use alumet_core::output::Delivery;
    use alumet_core::time::{Moment, Timestamp};
    use alumet_core::{Catalog, Consumer, Resource};
    use alumet_plugin_kwollect_output::{Config, Encoder};

    let catalog = Catalog::new();
    let metric = catalog.metric(&LEVEL).unwrap();
    let series = catalog
        .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
        .register();
    let mut times = BTreeMap::new();
    for (nanos, text) in [
        (0, "0.000000000"),
        (1_763_623_476_000_000_789, "1763623476.000000789"),
        (-1_500_000_000, "-1.500000000"),
        (i64::MIN, "-9223372036.854775808"),
    ] {
        let mut batch = catalog.batch();
        batch.push(&series, Timestamp::from_nanos(nanos), 7);
        let mut encoder = Encoder::new(&Config::default(), "a".to_owned());
        let metrics = encoder.encode(&Delivery::of(batch, Moment::default()));
        times.insert(text, String::from_utf8(metrics.text).unwrap());
    }
    for (text, found) in times {
        assert!(
            found.starts_with(&format!(r#"[{{"timestamp":{text},"value":7,"#)),
            "{found}"
        );
    }
    assert_eq!(all().len(), 1);
}

alumet_core::metrics! {
    LEVEL = Gauge<u64> {
        name: "level",
        unit: alumet_core::Unit::ONE,
        description: "For this test.",
    };
}
