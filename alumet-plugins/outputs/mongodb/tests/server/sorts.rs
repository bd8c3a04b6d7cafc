use std::collections::{BTreeMap, BTreeSet};

use alumet_core::attributes::AttributeValue;
use alumet_core::failure::Remedy;
use alumet_core::output::{Delivery, Receipt, RecordedSample};
use alumet_core::testkit::{Bench, ManualClock};
use alumet_core::time::Moment;
use alumet_core::unit::Unit;
use alumet_core::{Attributes, Batch, Catalog, Consumer, Resource, Timestamp, Value};
use alumet_plugin_mongodb::{Config, Encoder, MongodbPlugin};
use alumet_shared_output_testkit::samples_of_every_sort;
use mongodb::bson::{Bson, DateTime, Document};

use crate::mongo::{Mongo, config, integer};

alumet_core::metrics! {
    pub(crate) NUMBER = Gauge<u64> {
        name: "number",
        unit: Unit::ONE,
        description: "For this test.",
    };
}

fn unsigned(value: u64) -> Bson {
    match i64::try_from(value) {
        Ok(value) => Bson::Int64(value),
        Err(_) => Bson::Decimal128(value.to_string().parse().unwrap()),
    }
}

/// What the README says that a sample becomes; without its identifier.
fn expected(sample: &RecordedSample) -> BTreeMap<String, Bson> {
    let nanos = sample.timestamp.as_nanos();
    let value = match sample.value {
        Value::U64(value) => unsigned(value),
        Value::I64(value) => Bson::Int64(value),
        Value::F64(value) => Bson::Double(value),
    };
    let series = &sample.series;
    let text = |text: &str| Bson::String(text.to_owned());
    let mut fields: BTreeMap<String, Bson> = [
        (
            "timestamp",
            Bson::DateTime(DateTime::from_millis(nanos / 1_000_000)),
        ),
        ("timestamp_ns", Bson::Int64(nanos)),
        ("value", value),
        ("measurement", text(&series.metric.name)),
        ("resource_kind", text(series.resource().kind())),
        ("resource_id", text(&series.resource().id())),
        ("resource_consumer_kind", text(series.consumer().kind())),
        ("resource_consumer_id", text(&series.consumer().id())),
        ("metric_unit", text(&series.metric.unit.code())),
        ("metric_kind", text(&series.metric.kind.to_string())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    for (key, value) in series.attributes().iter() {
        let is_reserved = fields.contains_key(&**key) || key == "_id";
        let name = if is_reserved {
            format!("{key}_field")
        } else {
            key.to_string()
        };
        let value = match value {
            AttributeValue::U64(value) => unsigned(*value),
            AttributeValue::I64(value) => Bson::Int64(*value),
            AttributeValue::F64(value) => Bson::Double(*value),
            AttributeValue::Bool(value) => Bson::Boolean(*value),
            AttributeValue::Text(value) => text(value),
            AttributeValue::ListU64(values) => values
                .iter()
                .map(|value| unsigned(*value))
                .collect::<Vec<_>>()
                .into(),
        };
        fields.insert(name, value);
    }
    fields
}

/// Fields by their names, without the identifier.
fn fields(mut document: Document) -> BTreeMap<String, Bson> {
    document.remove("_id").unwrap();
    document.into_iter().collect()
}

/// As equal as a server lets it be that keeps JSON.
fn is_same(sent: &Bson, found: &Bson) -> bool {
    match (sent, found) {
        (Bson::Double(sent), Bson::Double(found)) if sent.is_nan() => found.is_nan(),
        (Bson::Int64(sent), found) => integer(found) == Some(*sent),
        (Bson::Array(sent), Bson::Array(found)) => {
            sent.len() == found.len() && sent.iter().zip(found).all(|(sent, found)| is_same(sent, found))
        }
        _ => sent == found,
    }
}

fn of_every_sort(catalog: &Catalog) -> (Batch, Vec<RecordedSample>) {
    let batch = samples_of_every_sort(catalog, ManualClock::START);
    let sent = RecordedSample::of_batch(&batch);
    (batch, sent)
}

/// The documents of the command that inserts samples.
fn encoded(config: &Config, batch: Batch) -> Vec<Document> {
    let delivery = Delivery::of(batch, Moment::default());
    let command = Encoder::new(config).encode(&delivery).unwrap();
    let command = Document::try_from(command).unwrap();
    assert_eq!(
        command.keys().collect::<Vec<_>>(),
        ["insert", "ordered", "documents"]
    );
    let documents = command.get_array("documents").unwrap().iter();
    documents
        .map(|document| document.as_document().unwrap().clone())
        .collect()
}

#[test]
fn every_sort_of_sample_is_a_document_that_has_it_as_it_was() {
    let (batch, sent) = of_every_sort(&Catalog::new());
    let documents = encoded(&Config::default(), batch);
    assert_eq!(documents.len(), sent.len());
    for (document, sample) in documents.into_iter().zip(&sent) {
        let (found, expected) = (fields(document), expected(sample));
        assert!(found.keys().eq(expected.keys()), "{sample}: {found:?}");
        for (name, value) in &expected {
            let is_nan = |value: &Bson| value.as_f64().is_some_and(f64::is_nan);
            assert!(
                *value == found[name] || is_nan(value) && is_nan(&found[name]),
                "{sample} {name:?}"
            );
        }
    }
}

#[test]
fn an_identifier_is_that_of_a_series_a_time_and_a_value_in_the_order_of_time() {
    let ids = |config: &Config| -> Vec<Vec<u8>> {
        // Another catalog is another run.
        let (batch, _) = of_every_sort(&Catalog::new());
        let documents = encoded(config, batch).into_iter();
        documents
            .map(|document| document.get_binary_generic("_id").unwrap().clone())
            .collect()
    };
    let one = ids(&Config::default());
    assert!(one.is_sorted() && one.iter().all(|id| id.len() == 32));
    let without = Config {
        describe_metrics: false,
        time_series: true,
        ..Config::default()
    };
    assert!(ids(&without) == one);

    let catalog = Catalog::new();
    let metric = catalog.metric(&NUMBER).unwrap();
    let series = |pid| {
        let consumer = Consumer::Process { pid };
        catalog
            .series(metric, Resource::LocalMachine, consumer)
            .register()
    };
    let (first, second) = (series(1), series(2));
    let mut batch = catalog.batch();
    for (series, nanos, value) in [
        (&first, -1, 0),
        (&first, 0, 0),
        (&first, 1, 0),
        (&first, 1, 1),
        (&second, 1, 0),
        // This comes again.
        (&first, 1, 1),
    ] {
        batch.push(series, Timestamp::from_nanos(nanos), value);
    }
    let documents = encoded(&Config::default(), batch);
    let ids: Vec<_> = documents
        .iter()
        .map(|document| document.get_binary_generic("_id").unwrap())
        .collect();
    assert!(ids[..3].is_sorted());
    assert_eq!(ids[3], ids[5]);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 5);
    let millis = |document: &Document| document.get_datetime("timestamp").unwrap().timestamp_millis();
    assert_eq!(
        documents.iter().map(millis).collect::<Vec<_>>(),
        [-1, 0, 0, 0, 0, 0]
    );
}

#[test]
fn the_server_of_a_time_series_finds_what_it_asks_for() {
    let (batch, sent) = of_every_sort(&Catalog::new());
    let config = Config {
        describe_metrics: false,
        time_series: true,
        ..Config::default()
    };
    for (document, sample) in encoded(&config, batch).into_iter().zip(&sent) {
        assert!(
            document
                .keys()
                .eq(["_id", "timestamp", "timestamp_ns", "value", "series"])
        );
        let series = document.get_document("series").unwrap();
        assert_eq!(series.get_str("measurement").unwrap(), sample.series.metric.name);
        assert!(!series.contains_key("metric_unit"));
        assert!(series.len() >= 5 + sample.series.attributes().len());
    }
}

#[test]
fn names_that_are_taken_or_end_too_early_make_room() {
    let catalog = Catalog::new();
    let metric = catalog.metric(&NUMBER).unwrap();
    let series = catalog
        .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
        .attributes(&Attributes::from_iter([
            ("value", "a"),
            ("value_field", "b"),
            ("x\0y", "c"),
        ]))
        .register();
    let mut batch = catalog.batch();
    batch.push(&series, Timestamp::default(), 1);
    let document = encoded(&Config::default(), batch).remove(0);
    for (name, text) in [
        ("value_field", "a"),
        ("value_field_field", "b"),
        ("x\u{2400}y", "c"),
    ] {
        assert_eq!(document.get_str(name).unwrap(), text, "{document}");
    }
    assert_eq!(document.get_i64("value").unwrap(), 1);
}

#[test]
fn what_is_too_much_at_once_is_asked_for_in_parts() {
    let catalog = Catalog::new();
    let metric = catalog.metric(&NUMBER).unwrap();
    let mut batch = catalog.batch();
    for pid in 0..20 {
        let consumer = Consumer::Process { pid };
        let series = catalog
            .series(metric, Resource::LocalMachine, consumer)
            .attributes(&Attributes::EMPTY.with("text", "x".repeat(1 << 20)))
            .register();
        batch.push(&series, Timestamp::default(), 1);
    }
    let delivery = Delivery::of(batch, Moment::default());
    let failure = Encoder::new(&Config::default()).encode(&delivery).unwrap_err();
    assert_eq!(failure.remedy(), Remedy::Split);
}

/// Why this server, which keeps JSON, refuses a document; a real MongoDB takes it.
fn refused(value: &Bson) -> Option<&str> {
    match value {
        Bson::Decimal128(_) => Some("Object of type Decimal128 is not JSON serializable (code 8)"),
        Bson::Double(value) if !value.is_finite() => Some("Invalid JSON document (code 8)"),
        _ => None,
    }
}

#[test]
fn every_sort_of_sample_is_read_back_as_it_was() {
    let Some(mongo) = Mongo::start() else { return };
    let mut bench = Bench::start::<MongodbPlugin>(config(mongo.port), "/").unwrap();
    let (batch, sent) = of_every_sort(bench.catalog());
    let mut receipt = Receipt::all();
    let mut documents = BTreeMap::new();
    for (position, sample) in sent.iter().enumerate() {
        let fields = expected(sample);
        match fields.values().find_map(refused) {
            Some(reason) => receipt.reject(position, reason),
            None => drop(documents.insert(sample.timestamp.as_nanos(), fields)),
        }
    }
    assert_eq!(bench.deliver(0, batch).unwrap(), receipt);
    let found = mongo.documents();
    assert_eq!(found.len(), documents.len());
    for document in found {
        let found = fields(document);
        let sent = &documents[&integer(&found["timestamp_ns"]).unwrap()];
        assert!(found.keys().eq(sent.keys()), "{found:?}");
        for (name, value) in sent {
            assert!(
                is_same(value, &found[name]),
                "{name:?}: {value:?} and not {:?}",
                found[name]
            );
        }
    }
}
