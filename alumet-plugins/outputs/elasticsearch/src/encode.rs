//! The format: of each sample the action that creates a document, and the document.

use alumet_core::metric::Quality;
use alumet_core::output::{Delivery, Receipt};
use alumet_core::series::SeriesInfo;
use alumet_core::{SeriesMap, Timestamp, Value};
use alumet_shared_http_delivery::json;
use ring::digest::{SHA256, digest};
use serde_json::Value as Json;

use crate::config::Config;
use crate::index;

/// Makes documents; computes what repeats once per series.
#[derive(Debug)]
pub struct Encoder {
    config: Config,
    documents: SeriesMap<Document>,
    /// The last timestamp and its text; the samples of one tick share it.
    time: (Timestamp, [u8; 30]),
}

/// All of an action and a document but what the sample adds: the time, which is part of the id, and the value.
#[derive(Debug)]
struct Document {
    /// `{"create":{"_index":"alumet-energy","_id":"0123456789abcdef01234567-` and then `,"resource_kind":"gpu"}`.
    text: Box<str>,
    /// Where the one ends and the other begins.
    middle: usize,
}

/// The actions and documents of a delivery.
#[derive(Debug, Default)]
pub struct Bulk {
    /// The text.
    pub text: Vec<u8>,
    /// How many documents it has.
    pub documents: usize,
    /// Samples that have no document, and why.
    pub left_out: Receipt,
}

/// Names that this output uses.
const RESERVED: [&str; 10] = [
    "@timestamp",
    "value",
    "resource_kind",
    "resource_id",
    "consumer_kind",
    "consumer_id",
    "metric",
    "metric_unit",
    "metric_kind",
    "metric_quality",
];

impl Encoder {
    /// An encoder for a server as it is configured.
    pub fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
            documents: SeriesMap::new(),
            time: (Timestamp::default(), Timestamp::default().to_rfc3339()),
        }
    }

    /// The actions and documents of `delivery`.
    pub fn encode(&mut self, delivery: &Delivery) -> Bulk {
        let Self {
            config,
            documents,
            time,
        } = self;
        let mut bulk = Bulk::default();
        // About as long as they are.
        bulk.text.reserve(delivery.len() * 448);
        for (position, sample) in delivery.samples().enumerate() {
            let document = documents.get_or_try_insert_with(sample.series, || {
                let info = delivery.catalog().describe(sample.series).ok_or(())?;
                Ok::<_, ()>(Document::new(&info, config))
            });
            let Ok(document) = document else {
                bulk.left_out.reject(position, "nobody knows its series");
                continue;
            };
            let (mut integer, mut float) = (itoa::Buffer::new(), zmij::Buffer::new());
            let number = match sample.value() {
                Value::U64(value) => integer.format(value),
                Value::I64(value) => integer.format(value),
                Value::F64(value) if !value.is_finite() => {
                    bulk.left_out
                        .reject(position, "JSON has neither NaN nor infinities");
                    continue;
                }
                // With a point or an exponent, so that the server never takes it for an integer.
                Value::F64(value) => float.format(value),
            };
            if time.0 != sample.timestamp {
                *time = (sample.timestamp, sample.timestamp.to_rfc3339());
            }
            let (before, after) = document.text.split_at(document.middle);
            for part in [
                before.as_bytes(),
                itoa::Buffer::new().format(sample.timestamp.as_nanos()).as_bytes(),
                b"\"}}\n{\"@timestamp\":\"",
                &time.1,
                b"\",\"value\":",
                number.as_bytes(),
                after.as_bytes(),
            ] {
                bulk.text.extend_from_slice(part);
            }
            bulk.documents += 1;
        }
        bulk
    }
}

impl Document {
    fn new(info: &SeriesInfo, config: &Config) -> Self {
        let (resource, consumer, metric) = (info.resource(), info.consumer(), &info.metric);
        let mut fields: Vec<(String, Json)> = Vec::new();
        let mut field = |name: &str, text: &str| fields.push((name.to_owned(), text.into()));
        field("resource_kind", resource.kind());
        field("resource_id", &resource.id());
        field("consumer_kind", consumer.kind());
        field("consumer_id", &consumer.id());
        if config.describe_metrics {
            field("metric", &metric.name);
            field("metric_unit", &metric.unit.code());
            field("metric_kind", &metric.kind.to_string());
            if metric.quality != Quality::Measured {
                field("metric_quality", &metric.quality.to_string());
            }
        }
        let attributes = info.attributes();
        let names = attributes.names(&RESERVED, name_of, |name| name.insert_str(0, "__"));
        for (name, (_, value)) in names.into_iter().zip(attributes.iter()) {
            fields.push((name, json(value)));
        }
        let (index, id) = (Json::from(index::name(metric, config)), identity(info));
        let mut text = format!(r#"{{"create":{{"_index":{index},"_id":"{id}-"#);
        let middle = text.len();
        for (name, value) in fields {
            text.push_str(&format!(",{}:{value}", Json::from(name)));
        }
        text.push_str("}\n");
        Self {
            text: text.into(),
            middle,
        }
    }
}

/// What tells the series from all others: the same in each run and on each machine, so that the server knows a document that
/// comes again.
fn identity(info: &SeriesInfo) -> String {
    let (resource, consumer) = (info.resource(), info.consumer());
    let attributes = info.attributes().iter();
    let attributes: Vec<_> = attributes.map(|(key, value)| (key, json(value))).collect();
    let all = serde_json::json!([
        info.metric.name,
        [resource.kind(), &*resource.id(), consumer.kind(), &*consumer.id()],
        attributes
    ]);
    let hash = digest(&SHA256, all.to_string().as_bytes());
    // Enough for more series than there will ever be.
    hash.as_ref()[..12]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The name of an attribute as a field: with a dot in it, it would be an object, which no field beside it can be.
fn name_of(key: &str) -> String {
    let name = key.replace('.', "_");
    // Those that begin with an underscore are the server's.
    match name.trim().is_empty() || name.starts_with('_') {
        true => format!("__{name}"),
        false => name,
    }
}

#[cfg(test)]
mod tests {
    use alumet_core::metric::MetricKind;
    use alumet_core::series::SeriesKey;
    use alumet_core::time::Moment;
    use alumet_core::{Attributes, Catalog, Consumer, Resource, Unit};

    use super::*;

    alumet_core::metrics! {
        ENERGY = Delta<f64> {
            name: "energy",
            unit: Unit::JOULE,
            description: "For tests.",
            quality: Modelled,
            resources: ["gpu"],
        };
    }

    /// The text of one sample with these attributes.
    fn encoded(attributes: Attributes, value: f64) -> String {
        let catalog = Catalog::new();
        let key = SeriesKey {
            metric: catalog.register_metric(ENERGY.metric()).unwrap(),
            resource: Resource::Gpu {
                bus_id: "a\"b".into(),
            },
            consumer: Consumer::LocalMachine,
            attributes,
        };
        let mut batch = catalog.batch();
        let time = Timestamp::from_nanos(1_763_623_476_123_456_789);
        batch
            .push_value(&catalog.register(key), time, Value::F64(value))
            .unwrap();
        let bulk = Encoder::new(&Config::default()).encode(&Delivery::of(batch, Moment::default()));
        assert_eq!(all()[0].kind, MetricKind::Delta);
        String::from_utf8(bulk.text).unwrap()
    }

    #[test]
    fn an_action_has_an_id_that_never_changes_and_the_document_all_that_is_known() {
        let text = encoded(Attributes::EMPTY.with("domain", "package"), 12.0);
        assert_eq!(
            text,
            concat!(
                r#"{"create":{"_index":"alumet-energy","_id":"d094ef3385c62e0b1351f8ab-1763623476123456789"}}"#,
                "\n",
                r#"{"@timestamp":"2025-11-20T07:24:36.123456789Z","value":12.0,"resource_kind":"gpu","resource_id":"a\"b","#,
                r#""consumer_kind":"local_machine","consumer_id":"","metric":"energy","metric_unit":"J","#,
                r#""metric_kind":"delta","metric_quality":"modelled","domain":"package"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn names_that_the_server_or_this_output_uses_get_another_one() {
        let keys = ["value", "_id", "a.b", "a_b", ".", "", " ", "@timestamp"];
        let attributes = keys.iter().map(|key| (*key, *key)).collect();
        let text = encoded(attributes, 1.0);
        let document: Json = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
        for (field, value) in [
            ("__value", "value"),
            ("___id", "_id"),
            ("a_b", "a.b"),
            ("__a_b", "a_b"),
            ("___", "."),
            ("__", ""),
            ("__ ", " "),
            ("__@timestamp", "@timestamp"),
        ] {
            assert_eq!(document[field], *value, "{field}");
        }
        assert_eq!(document["value"], 1.0);
    }
}
