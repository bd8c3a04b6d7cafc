use alumet_core::attributes::AttributeValue;
use serde_json::Value as Json;

/// The value of an attribute in JSON. A number that is none there is text.
pub fn json(value: &AttributeValue) -> Json {
    match value {
        AttributeValue::U64(value) => (*value).into(),
        AttributeValue::I64(value) => (*value).into(),
        AttributeValue::F64(number) if number.is_finite() => (*number).into(),
        AttributeValue::Bool(value) => (*value).into(),
        AttributeValue::ListU64(values) => values.to_vec().into(),
        other => other.to_string().into(),
    }
}
