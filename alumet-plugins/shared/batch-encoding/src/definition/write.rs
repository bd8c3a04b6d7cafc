use alumet_core::series::{SeriesInfo, SeriesKey};
use alumet_core::{AttributeValue, Metric};

use super::shorten::{short_metric, short_series};
use super::{KINDS, METRIC, QUALITIES, SERIES, TYPES, memory_of, metric_as_text, numbers_as_text, value};
use crate::bytes::{put_signed, put_text, put_varint};
use crate::{LONGEST_ENTRY, MOST_ATTRIBUTES};

/// Appends the entry of a metric; says how much memory it needs where it is read.
pub(crate) fn put_metric(out: &mut Vec<u8>, metric: &Metric) -> usize {
    let start = out.len();
    put_whole_metric(out, metric);
    if out.len() - start > LONGEST_ENTRY || metric_as_text(metric) > LONGEST_ENTRY / 4 {
        let checksum = crc32fast::hash(&out[start..]);
        out.truncate(start);
        put_whole_metric(out, &short_metric(metric, checksum));
    }
    memory_of(out.len() - start, 0)
}

fn put_whole_metric(out: &mut Vec<u8>, metric: &Metric) {
    out.push(METRIC);
    put_text(out, &metric.name);
    out.push(code(&KINDS, &metric.kind));
    out.push(code(&TYPES, &metric.value_type));
    put_text(out, &metric.unit.code());
    out.push(code(&QUALITIES, &metric.quality));
    put_text(out, &metric.description);
}

/// Appends the entry of a series whose metric has the number `metric`; says how much memory it needs where it is read.
pub(crate) fn put_series(out: &mut Vec<u8>, metric: u32, info: &SeriesInfo) -> usize {
    let start = out.len();
    put_key(out, metric, &info.key);
    let length = out.len() - start + metric_as_text(&info.metric) + numbers_as_text(info.attributes());
    if length > LONGEST_ENTRY || info.attributes().len() > MOST_ATTRIBUTES {
        let checksum = crc32fast::hash(&out[start..]);
        out.truncate(start);
        put_key(out, metric, &short_series(info, checksum));
    }
    memory_of(
        length.min(LONGEST_ENTRY),
        info.attributes().len().min(MOST_ATTRIBUTES),
    )
}

fn put_key(out: &mut Vec<u8>, metric: u32, key: &SeriesKey) {
    out.push(SERIES);
    put_varint(out, metric.into());
    put_text(out, key.resource.kind());
    put_text(out, &key.resource.id());
    put_text(out, key.consumer.kind());
    put_text(out, &key.consumer.id());
    put_varint(out, key.attributes.len() as u64);
    for (key, value) in key.attributes.iter() {
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
