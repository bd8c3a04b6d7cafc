//! Entries of the dictionary as bytes and back.

mod read;
mod shorten;
mod write;

use alumet_core::metric::Quality;
use alumet_core::{AttributeValue, Attributes, Consumer, Metric, MetricKind, Resource, ValueType};

pub(crate) use read::EntryReader;
pub(crate) use write::{put_metric, put_series};

/// An entry that was read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Entry {
    Metric(Metric),
    Series(SeriesEntry),
}

/// A series that was read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SeriesEntry {
    /// The number of its metric.
    pub(crate) metric: u32,
    pub(crate) resource: Resource,
    pub(crate) consumer: Consumer,
    pub(crate) attributes: Attributes,
}

const METRIC: u8 = 0;
const SERIES: u8 = 1;

/// The words of the format for kinds, types and qualities; their places are their codes.
const KINDS: [MetricKind; 3] = [MetricKind::Gauge, MetricKind::Delta, MetricKind::Counter];
const TYPES: [ValueType; 3] = [ValueType::U64, ValueType::I64, ValueType::F64];
const QUALITIES: [Quality; 3] = [Quality::Measured, Quality::Modelled, Quality::Estimated];

/// How much memory a metric or series needs where it is known, with its place in the catalog and in what goes by series. The
/// numbers of a list need less than as text.
pub(crate) const fn memory_of(text: usize, attributes: usize) -> usize {
    256 + text + 80 * attributes
}

/// How many bytes the numbers among attributes may have as text.
pub(crate) fn numbers_as_text(attributes: &Attributes) -> usize {
    attributes.iter().map(|(_, value)| number_as_text(value)).sum()
}

fn number_as_text(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::U64(_) | AttributeValue::I64(_) => 20,
        // Up to 327.
        AttributeValue::F64(_) => value.to_string().len(),
        // With a comma.
        AttributeValue::ListU64(numbers) => 21 * numbers.len(),
        AttributeValue::Bool(_) | AttributeValue::Text(_) => 0,
    }
}

/// How many bytes each series of a metric has of it.
pub(crate) fn metric_as_text(metric: &Metric) -> usize {
    metric.name.len() + metric.unit.code().len()
}

/// The codes of the values of attributes.
mod value {
    pub(super) const U64: u8 = 0;
    pub(super) const I64: u8 = 1;
    pub(super) const F64: u8 = 2;
    pub(super) const FALSE: u8 = 3;
    pub(super) const TRUE: u8 = 4;
    pub(super) const TEXT: u8 = 5;
    pub(super) const LIST_U64: u8 = 6;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_kind_type_or_quality_is_forgotten() {
        for (code, kind) in KINDS.into_iter().enumerate() {
            let expected = match kind {
                MetricKind::Gauge => 0,
                MetricKind::Delta => 1,
                MetricKind::Counter => 2,
            };
            assert_eq!(code, expected);
        }
        for (code, value_type) in TYPES.into_iter().enumerate() {
            assert_eq!(code, value_type as usize);
        }
        for (code, quality) in QUALITIES.into_iter().enumerate() {
            let expected = match quality {
                Quality::Measured => 0,
                Quality::Modelled => 1,
                Quality::Estimated => 2,
            };
            assert_eq!(code, expected);
        }
    }
}
