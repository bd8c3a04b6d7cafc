//! What Kwollect answers: a list with an object of each value.
//!
//! Format: <https://www.grid5000.fr/w/Monitoring_Using_Kwollect>.

use std::collections::BTreeMap;

use alumet_core::Timestamp;
use alumet_core::metric::MetricKind;
use alumet_core::unit::Unit;
use serde_json::Value as Json;

/// A value as the server has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Value {
    pub(crate) timestamp: Timestamp,
    pub(crate) number: f64,
    pub(crate) key: Key,
}

/// What values that follow each other have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) metric: String,
    pub(crate) device: String,
    /// What has measured it, such as a port of a wattmeter; empty if it does not say.
    pub(crate) origin: String,
    /// Other labels.
    pub(crate) labels: BTreeMap<String, String>,
}

/// The label that names the origin.
const ORIGIN: &str = "_device_orig";

/// The values in an answer, by time; none if it is something else. What is in it that is no value is passed over.
pub(crate) fn values(body: &[u8]) -> Option<Vec<Value>> {
    let list: Vec<Json> = serde_json::from_slice(body).ok()?;
    let mut values: Vec<_> = list.iter().filter_map(value).collect();
    values.sort_by_key(|value| value.timestamp);
    Some(values)
}

fn value(object: &Json) -> Option<Value> {
    let text = |key: &str| object.get(key)?.as_str();
    let time: jiff::Timestamp = text("timestamp")?.parse().ok()?;
    let labels = object.get("labels").and_then(Json::as_object);
    let mut labels: BTreeMap<_, _> = labels
        .into_iter()
        .flatten()
        .map(|(name, label)| (name.clone(), words(label)))
        .collect();
    Some(Value {
        timestamp: Timestamp::from_nanos(i64::try_from(time.as_nanosecond()).ok()?),
        number: object.get("value")?.as_f64()?,
        key: Key {
            metric: text("metric_id")?.to_owned(),
            device: text("device_id")?.to_owned(),
            origin: labels.remove(ORIGIN).unwrap_or_default(),
            labels,
        },
    })
}

/// A label as text; a list is joined by commas.
fn words(label: &Json) -> String {
    match label {
        Json::String(text) => text.clone(),
        Json::Array(list) => list.iter().map(words).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// The unit that the name of a metric ends in, and whether it counts from some start.
pub(crate) fn meaning(name: &str) -> (Unit, MetricKind) {
    let (stem, kind) = match name.strip_suffix("_total") {
        Some(stem) => (stem, MetricKind::Counter),
        None => (name, MetricKind::Gauge),
    };
    let unit = match stem.rsplit('_').next().unwrap_or_default() {
        "watt" | "watts" => Unit::WATT,
        "joule" | "joules" => Unit::JOULE,
        "volt" | "volts" => Unit::VOLT,
        "amp" | "amps" | "ampere" | "amperes" => Unit::AMPERE,
        "celsius" => Unit::CELSIUS,
        "hertz" => Unit::HERTZ,
        "second" | "seconds" => Unit::SECOND,
        "byte" | "bytes" => Unit::BYTE,
        "bit" | "bits" => Unit::BIT,
        "percent" => Unit::PERCENT,
        _ => Unit::ONE,
    };
    (unit, kind)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_come_by_time_with_their_origin_and_labels() {
        let body = br#"[
            {"timestamp":"2026-02-02T14:39:38+01:00","device_id":"taurus-7","metric_id":"bmc_cpu_temp_celsius","value":41,
             "labels":{"cpu":1,"_device_orig":"bmc"}},
            {"timestamp":"2026-02-02T13:39:37.003778Z","device_id":"taurus-7","metric_id":"wattmetre_power_watt","value":69.4,
             "labels":{"_device_orig":["wattmetre1-port33","wattmetre1-port34"]}},
            {"timestamp":"2026-02-02T13:39:37Z","device_id":"taurus-7","metric_id":"wattmetre_power_watt","value":null},
            7
        ]"#;
        let values = values(body).unwrap();
        assert_eq!(values.len(), 2);
        assert_eq!(values[0].timestamp.as_nanos(), 1_770_039_577_003_778_000);
        assert_eq!(values[0].key.origin, "wattmetre1-port33,wattmetre1-port34");
        assert_eq!((values[0].number, values[1].number), (69.4, 41.0));
        assert_eq!(values[1].timestamp.as_nanos(), 1_770_039_578_000_000_000);
        assert_eq!(values[1].key.origin, "bmc");
        assert_eq!(
            values[1].key.labels,
            BTreeMap::from([("cpu".to_owned(), "1".to_owned())])
        );
    }

    #[test]
    fn a_name_ends_in_its_unit() {
        for (name, unit, kind) in [
            ("wattmetre_power_watt", Unit::WATT, MetricKind::Gauge),
            ("bmc_cpu_temp_celsius", Unit::CELSIUS, MetricKind::Gauge),
            ("network_ifacein_bytes_total", Unit::BYTE, MetricKind::Counter),
            ("prom_node_load1", Unit::ONE, MetricKind::Gauge),
        ] {
            assert_eq!(meaning(name), (unit, kind), "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_or_refused(bytes: Vec<u8>, time in "[0-9TZ:+-]{0,24}", value in "-?[0-9e]{1,5}|null") {
            let _ = values(&bytes);
            let list = format!(r#"[{{"timestamp":"{time}","metric_id":"a","device_id":"b","value":{value}}}]"#);
            let _ = values(list.as_bytes());
        }
    }
}
