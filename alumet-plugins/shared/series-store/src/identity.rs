//! Series as rows of tables that anyone can read.

use std::sync::Arc;

use alumet_core::attributes::{AttributeValue, Attributes};
use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::unit::Unit;
use alumet_core::value::ValueType;
use alumet_core::{Consumer, Resource};
use alumet_shared_query::Identity;
use rusqlite::Row;
use serde_json::{Map, Value, json};

/// The columns of the tables `series` and `metrics` that tell what a series is, for [`read`].
pub(crate) const COLUMNS: &str = "resource_kind, resource_id, consumer_kind, consumer_id, attributes, metric";

/// The attributes as a JSON object. Texts, booleans, unsigned numbers and lists of them stand as they are; other numbers are the text
/// of the number in an object that says the type.
pub(crate) fn to_json(attributes: &Attributes) -> String {
    let value = |value: &AttributeValue| match value {
        AttributeValue::U64(value) => json!(value),
        AttributeValue::I64(value) => json!({ "i64": value.to_string() }),
        AttributeValue::F64(value) => json!({ "f64": value.to_string() }),
        AttributeValue::Bool(value) => json!(value),
        AttributeValue::Text(value) => json!(**value),
        AttributeValue::ListU64(value) => json!(**value),
    };
    let pairs = attributes.iter().map(|(key, one)| (key.to_string(), value(one)));
    Value::Object(pairs.collect::<Map<_, _>>()).to_string()
}

/// What [`to_json`] has written; `None` if it is not.
pub(crate) fn of_json(text: &str) -> Option<Attributes> {
    let object: Map<String, Value> = serde_json::from_str(text).ok()?;
    let pairs = object.into_iter().map(|(key, value)| {
        let value: AttributeValue = match value {
            Value::Bool(value) => value.into(),
            Value::Number(number) => number.as_u64()?.into(),
            Value::String(text) => text.into(),
            Value::Array(list) => list.iter().map(Value::as_u64).collect::<Option<Vec<_>>>()?.into(),
            Value::Object(typed) => {
                let (name, text) = typed.iter().next()?;
                match name.as_str() {
                    "i64" => text.as_str()?.parse::<i64>().ok()?.into(),
                    _ => text.as_str()?.parse::<f64>().ok()?.into(),
                }
            }
            Value::Null => return None,
        };
        Some((key, value))
    });
    pairs.collect()
}

/// A number that is nearly always another one for another series: FNV-1a, "The FNV Non-Cryptographic Hash Algorithm",
/// draft-eastlake-fnv, section 2.
pub(crate) fn hash(metric: i64, texts: [&str; 5]) -> i64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    let mut hash = metric.to_le_bytes().into_iter().fold(OFFSET, step);
    for text in texts {
        hash = text.bytes().chain([0xff]).fold(hash, step);
    }
    hash.cast_signed()
}

/// The metric in the columns `name, kind, type, unit, quality, description` of a row.
pub(crate) fn metric_of(row: &Row<'_>, from: usize) -> rusqlite::Result<Option<Metric>> {
    let text = |column: usize| row.get::<_, String>(from + column);
    let (kind, value_type, quality) = (text(1)?, text(2)?, text(4)?);
    let kind = MetricKind::ALL.iter().find(|one| one.name() == kind);
    let value_type = ValueType::ALL.iter().find(|one| one.name() == value_type);
    let quality = Quality::ALL.iter().find(|one| one.name() == quality);
    let (Some(&kind), Some(&value_type), Some(&quality)) = (kind, value_type, quality) else {
        return Ok(None);
    };
    Ok(Some(Metric {
        name: text(0)?.into(),
        kind,
        value_type,
        unit: Unit::parse(&text(3)?),
        description: text(5)?.into(),
        quality,
    }))
}

/// The series in the columns [`COLUMNS`] of a row, after `from` others.
pub(crate) fn read(
    row: &Row<'_>,
    from: usize,
    metric: impl FnOnce(i64) -> Option<Arc<Metric>>,
) -> rusqlite::Result<Option<Identity>> {
    let text = |column: usize| {
        row.get_ref(from + column)
            .and_then(|text| text.as_str().map_err(Into::into))
    };
    let metric = metric(row.get(from + 5)?);
    let attributes = of_json(text(4)?);
    let (Some(metric), Some(attributes)) = (metric, attributes) else {
        return Ok(None);
    };
    Ok(Some(Identity {
        metric,
        resource: Resource::new(text(0)?, text(1)?),
        consumer: Consumer::new(text(2)?, text(3)?),
        attributes,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_survives_its_json() {
        let attributes = Attributes::EMPTY
            .with("text", "a\"b")
            .with("u", u64::MAX)
            .with("i", i64::MIN)
            .with("one", 1_i64)
            .with("f", 0.1)
            .with("infinite", f64::NEG_INFINITY)
            .with("nan", f64::NAN)
            .with("yes", true)
            .with("list", vec![1, u64::MAX])
            .with("empty", Vec::new());
        assert_eq!(of_json(&to_json(&attributes)), Some(attributes));
        assert_eq!(to_json(&Attributes::EMPTY), "{}");
        for wrong in [
            "",
            "[]",
            "{\"a\":null}",
            "{\"a\":-1}",
            "{\"a\":{}}",
            "{\"a\":[-1]}",
        ] {
            assert_eq!(of_json(wrong), None, "{wrong}");
        }
    }
}
