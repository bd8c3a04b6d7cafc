use alumet_core::series::SeriesInfo;
use alumet_core::{AttributeValue, Metric};

use super::{KINDS, METRIC, QUALITIES, SERIES, TYPES, value};
use crate::bytes::{put_signed, put_text, put_varint};

/// Appends the entry of a metric.
pub(crate) fn put_metric(out: &mut Vec<u8>, metric: &Metric) {
    out.push(METRIC);
    put_text(out, &metric.name);
    out.push(code(&KINDS, &metric.kind));
    out.push(code(&TYPES, &metric.value_type));
    put_text(out, &metric.unit.code());
    out.push(code(&QUALITIES, &metric.quality));
    put_text(out, &metric.description);
}

/// Appends the entry of a series whose metric has the number `metric`.
pub(crate) fn put_series(out: &mut Vec<u8>, metric: u32, info: &SeriesInfo) {
    out.push(SERIES);
    put_varint(out, metric.into());
    put_text(out, info.resource().kind());
    put_text(out, &info.resource().id());
    put_text(out, info.consumer().kind());
    put_text(out, &info.consumer().id());
    put_varint(out, info.attributes().len() as u64);
    for (key, value) in info.attributes().iter() {
        put_text(out, key);
        put_value(out, value);
    }
}

fn put_value(out: &mut Vec<u8>, attribute: &AttributeValue) {
    match attribute {
        AttributeValue::U64(number) => {
            out.push(value::U64);
            put_varint(out, *number);
        }
        AttributeValue::I64(number) => {
            out.push(value::I64);
            put_signed(out, *number);
        }
        AttributeValue::F64(number) => {
            out.push(value::F64);
            out.extend(number.to_bits().to_le_bytes());
        }
        AttributeValue::Bool(false) => out.push(value::FALSE),
        AttributeValue::Bool(true) => out.push(value::TRUE),
        AttributeValue::Text(text) => {
            out.push(value::TEXT);
            put_text(out, text);
        }
        AttributeValue::ListU64(numbers) => {
            out.push(value::LIST_U64);
            put_varint(out, numbers.len() as u64);
            numbers.iter().for_each(|number| put_varint(out, *number));
        }
    }
}

fn code<T: PartialEq>(words: &[T], word: &T) -> u8 {
    // A test goes through all words.
    words.iter().position(|known| known == word).unwrap_or_default() as u8
}
