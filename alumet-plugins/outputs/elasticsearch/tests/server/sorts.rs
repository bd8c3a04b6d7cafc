use std::collections::BTreeMap;
use std::time::Duration;

use alumet_core::attributes::AttributeValue;
use alumet_core::output::{Receipt, RecordedSample};
use alumet_core::testkit::{Bench, ManualClock};
use alumet_core::value::Value;
use alumet_core::{Consumer, Resource, Unit};
use alumet_plugin_elasticsearch::{Config, ElasticsearchPlugin};
use alumet_shared_output_testkit::samples_of_every_sort;
use serde_json::{Map, Value as Json, json};

use crate::elastic::{Elastic, config};

/// What the README says that a sample becomes; `None` for one that is refused.
pub(crate) fn expected(sample: &RecordedSample) -> Option<Map<String, Json>> {
    let value = match sample.value {
        Value::U64(value) => json!(value),
        Value::I64(value) => json!(value),
        Value::F64(value) if value.is_finite() => json!(value),
        Value::F64(_) => return None,
    };
    let series = &sample.series;
    let document = json!({
        "@timestamp": sample.timestamp.to_string(),
        "value": value,
        "resource_kind": series.resource().kind(),
        "resource_id": series.resource().id(),
        "consumer_kind": series.consumer().kind(),
        "consumer_id": series.consumer().id(),
        "metric": series.metric.name,
        "metric_unit": series.metric.unit.code(),
        "metric_kind": series.metric.kind.to_string(),
    });
    let mut document = document.as_object().unwrap().clone();
    let reserved = [
        "value",
        "metric",
        "resource_kind",
        "resource_id",
        "consumer_kind",
        "consumer_id",
    ];
    for (key, value) in series.attributes().iter() {
        let key = key.replace('.', "_");
        let is_reserved = reserved.contains(&&*key) || key.starts_with('_');
        let key = if is_reserved { format!("__{key}") } else { key };
        let value = match value {
            AttributeValue::U64(value) => json!(value),
            AttributeValue::I64(value) => json!(value),
            AttributeValue::F64(value) => json!(value),
            AttributeValue::Bool(value) => json!(value),
            AttributeValue::ListU64(values) => json!(values.to_vec()),
            text => json!(text.to_string()),
        };
        assert!(document.insert(key, value).is_none());
    }
    Some(document)
}

#[test]
fn every_sort_of_sample_is_read_back_as_it_was() {
    let elastic = Elastic::start();
    let mut bench = Bench::start::<ElasticsearchPlugin>(config(elastic.port()), "/").unwrap();
    let batch = samples_of_every_sort(bench.catalog(), ManualClock::START);
    let samples = RecordedSample::of_batch(&batch);
    let mut receipt = Receipt::all();
    for (position, _) in samples
        .iter()
        .enumerate()
        .filter(|(_, sample)| expected(sample).is_none())
    {
        receipt.reject(position, "JSON has neither NaN nor infinities");
    }
    let mut documents = BTreeMap::new();
    for (position, sample) in samples.iter().enumerate() {
        let Some(document) = expected(sample).map(Json::from) else {
            continue;
        };
        if document["value"]
            .as_u64()
            .is_some_and(|value| i64::try_from(value).is_err())
        {
            let reason = "document_parsing_exception: failed to parse field [value] of type [long]";
            receipt.reject(position, reason);
            continue;
        }
        let index = format!("alumet-{}", sample.series.metric.name.to_lowercase());
        documents.insert(document["@timestamp"].to_string(), (index, document));
    }
    assert_eq!(bench.deliver(0, batch).unwrap(), receipt);
    let found = elastic.documents().into_iter();
    let found: BTreeMap<_, _> = found
        .map(|(index, document)| (document["@timestamp"].to_string(), (index, document)))
        .collect();
    for (time, document) in &documents {
        assert_eq!(found.get(time), Some(document));
    }
    assert_eq!(found.len(), documents.len());
}

#[test]
fn an_attribute_may_have_a_value_of_another_type_in_another_series_and_a_name_with_dots() {
    let elastic = Elastic::start();
    let config = Config {
        index_prefix: "site".to_owned(),
        data_streams: true,
        ..config(elastic.port())
    };
    let mut bench = Bench::start::<ElasticsearchPlugin>(config, "/").unwrap();
    let mut batch = bench.catalog().batch();
    let attributes: [(&'static str, AttributeValue); 6] = [
        ("x", 7_u64.into()),
        ("x", "text".into()),
        ("x", 0.5.into()),
        ("x", true.into()),
        ("x", u64::MAX.into()),
        ("x.y", "below".into()),
    ];
    for attribute in attributes {
        let metric = bench.catalog().metric(&LEVEL).unwrap();
        let series = bench
            .catalog()
            .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
            .attribute(attribute.0, attribute.1)
            .register();
        batch.push(&series, ManualClock::START, 0.25);
    }
    assert_eq!(bench.deliver(0, batch).unwrap(), Receipt::all());
    let documents = elastic.documents();
    assert_eq!(documents.len(), 6);
    assert!(documents.iter().all(|(index, _)| index == "site-level"));
    let templates = elastic.templates();
    assert_eq!(templates["site_index_template"]["data_stream"], json!({}));
    assert_eq!(all().len(), 1);
}

#[test]
fn the_template_is_written_before_the_first_document_and_again_after_a_minute() {
    let elastic = Elastic::start();
    let mut bench = Bench::start::<ElasticsearchPlugin>(config(elastic.port()), "/").unwrap();
    for (seconds, templates) in [(0, 1), (59, 1), (2, 2)] {
        bench.advance(Duration::from_secs(seconds));
        let batch = samples_of_every_sort(bench.catalog(), ManualClock::START);
        bench.deliver(0, batch).unwrap();
        let requests = elastic.server.received();
        let written = requests
            .iter()
            .filter(|request| request.line == "POST /_index_template/alumet_index_template HTTP/1.1");
        assert_eq!(written.count(), templates);
    }
}

alumet_core::metrics! {
    LEVEL = Gauge<f64> {
        name: "level",
        unit: Unit::ONE,
        description: "For this test.",
    };
}
