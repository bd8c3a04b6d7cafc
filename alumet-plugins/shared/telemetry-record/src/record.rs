//! What is measured of one thing at one instant, in JSON: the form of the GPU telemetry pipeline, with more keys for what is no GPU.

use std::collections::BTreeMap;

use alumet_core::time::Timestamp;
use alumet_core::value::Value;
use serde::{Deserialize, Serialize};

/// A record: `{"gpu_id":"GPU-5fd4","hostname":"node-1","metrics":{"DCGM_FI_DEV_GPU_UTIL":97.0},"timestamp":"2025-07-18T20:42:34Z"}`.
///
/// It has either the id of a GPU or kind and id of another resource.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TelemetryRecord {
    /// The GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_id: Option<String>,
    /// The kind of another resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_kind: Option<String>,
    /// The id of another resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<String>,
    /// The kind of the consumer, unless that is the whole machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer_kind: Option<String>,
    /// The id of the consumer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer_id: Option<String>,
    /// The node that has measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// Whatever else tells the series apart, as text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// The values by the names of their metrics.
    pub metrics: BTreeMap<String, MetricValue>,
    /// When they were true, as in RFC 3339 with up to nine decimals.
    pub timestamp: String,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MetricValue {
    /// An integer or a finite float.
    Number(serde_json::Number),
    /// `true` counts as 1.
    Bool(bool),
    /// A number as text, which for `NaN`, `Infinity` and `-Infinity` is the only way in JSON.
    Text(String),
}

impl MetricValue {
    /// The value as a number; `None` if it is a text that is none.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => number.as_f64(),
            Self::Bool(value) => Some(f64::from(u8::from(*value))),
            Self::Text(text) => text.trim().parse().ok(),
        }
    }
}

impl From<Value> for MetricValue {
    fn from(value: Value) -> Self {
        match value {
            Value::U64(value) => Self::Number(value.into()),
            Value::I64(value) => Self::Number(value.into()),
            Value::F64(value) => match serde_json::Number::from_f64(value) {
                Some(number) => Self::Number(number),
                None if value.is_nan() => Self::Text("NaN".to_owned()),
                None if value > 0.0 => Self::Text("Infinity".to_owned()),
                None => Self::Text("-Infinity".to_owned()),
            },
        }
    }
}

impl TelemetryRecord {
    /// An instant as a record has it.
    pub fn text_of(timestamp: Timestamp) -> String {
        // Those of 300 years around 1970 are all in the range of this type.
        jiff::Timestamp::from_nanosecond(timestamp.as_nanos().into())
            .map_or_else(|_| String::new(), |time| time.to_string())
    }

    /// When the values were true.
    ///
    /// # Errors
    /// When it is no time, or none that can be told in nanoseconds since 1970.
    pub fn time(&self) -> Result<Timestamp, String> {
        let time: jiff::Timestamp = self.timestamp.parse().map_err(|_| {
            format!(
                "the timestamp `{}` is not as in RFC 3339, like 2025-07-18T20:42:34Z",
                self.timestamp.escape_debug()
            )
        })?;
        let nanos = i64::try_from(time.as_nanosecond());
        let nanos = nanos.map_err(|_| {
            format!(
                "the timestamp `{}` is too far away",
                self.timestamp.escape_debug()
            )
        })?;
        Ok(Timestamp::from_nanos(nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_pipeline_always_sent_is_read() {
        let text = br#"{"gpu_id":"gpu-001","hostname":"h","metrics":{"utilization":85.5,"n":3,"ok":true,"t":" 1e3 "},
                        "timestamp":"2025-07-18T20:42:34.000000001+02:00"}"#;
        let record: TelemetryRecord = serde_json::from_slice(text).unwrap();
        assert_eq!(record.gpu_id.as_deref(), Some("gpu-001"));
        let values: Vec<_> = record
            .metrics
            .values()
            .map(|value| value.as_f64().unwrap())
            .collect();
        assert_eq!(values, [3.0, 1.0, 1000.0, 85.5]);
        assert_eq!(record.time().unwrap().as_nanos(), 1_752_864_154_000_000_001);
    }

    #[test]
    fn every_value_and_time_survives_its_text() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.1, -5e-324] {
            let text = serde_json::to_string(&MetricValue::from(Value::F64(value))).unwrap();
            let again = serde_json::from_str::<MetricValue>(&text)
                .unwrap()
                .as_f64()
                .unwrap();
            assert!(again == value || again.is_nan() && value.is_nan(), "{text}");
        }
        let text = serde_json::to_string(&MetricValue::from(Value::U64(u64::MAX))).unwrap();
        assert_eq!(text, u64::MAX.to_string());
        for nanos in [i64::MIN, -1, 0, 1_752_864_154_000_000_001, i64::MAX] {
            let record = TelemetryRecord {
                timestamp: TelemetryRecord::text_of(Timestamp::from_nanos(nanos)),
                ..TelemetryRecord::default()
            };
            assert_eq!(record.time(), Ok(Timestamp::from_nanos(nanos)));
        }
        assert!(
            TelemetryRecord::default()
                .time()
                .unwrap_err()
                .contains("RFC 3339")
        );
    }
}
