//! What all documents of a series have in common.

use alumet_core::attributes::AttributeValue;
use alumet_core::metric::Quality;
use alumet_core::series::SeriesInfo;
use mongodb::bson::raw::{CStr, CString, cstr};
use mongodb::bson::{Decimal128, RawArrayBuf, RawBson, RawDocumentBuf};
use sha2::{Digest, Sha256};

use crate::config::Config;

/// What all documents of a series have in common.
#[derive(Debug)]
pub(crate) struct Common {
    /// What identifies the series: the same in every run and on every machine.
    pub(crate) id: [u8; 16],
    /// Elements of a document.
    pub(crate) elements: Box<[u8]>,
}

/// Names that the server or this output uses.
const RESERVED: [&str; 12] = [
    "_id",
    "measurement",
    "metric_kind",
    "metric_quality",
    "metric_unit",
    "resource_consumer_id",
    "resource_consumer_kind",
    "resource_id",
    "resource_kind",
    "timestamp",
    "timestamp_ns",
    "value",
];

/// The field of a time series that holds what the server calls metadata.
pub(crate) const META: &CStr = cstr!("series");

impl Common {
    pub(crate) fn new(info: &SeriesInfo, config: &Config) -> Self {
        let whole = document(info, true);
        let hash = Sha256::digest(whole.as_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        let mut document = match config.describe_metrics {
            true => whole,
            false => document(info, false),
        };
        if config.time_series {
            let mut outer = RawDocumentBuf::new();
            outer.append(META, document);
            document = outer;
        }
        let bytes = document.as_bytes();
        Self {
            id,
            // Without the length at the beginning and the zero at the end.
            elements: bytes[4..bytes.len() - 1].into(),
        }
    }
}

fn document(info: &SeriesInfo, describe: bool) -> RawDocumentBuf {
    let (resource, consumer, metric) = (info.resource(), info.consumer(), &info.metric);
    let mut document = RawDocumentBuf::new();
    document.append(cstr!("measurement"), &*metric.name);
    document.append(cstr!("resource_kind"), resource.kind());
    document.append(cstr!("resource_id"), &*resource.id());
    document.append(cstr!("resource_consumer_kind"), consumer.kind());
    document.append(cstr!("resource_consumer_id"), &*consumer.id());
    if describe {
        document.append(cstr!("metric_unit"), &*metric.unit.code());
        document.append(cstr!("metric_kind"), &*metric.kind.to_string());
        if metric.quality != Quality::Measured {
            document.append(cstr!("metric_quality"), &*metric.quality.to_string());
        }
    }
    let attributes = info.attributes();
    // What ends a name in BSON is a picture of it.
    let name_of = |key: &str| key.replace('\0', "\u{2400}");
    let names = attributes.names(&RESERVED, name_of, |name| name.push_str("_field"));
    for (name, (_, value)) in names.into_iter().zip(attributes.iter()) {
        if let Ok(name) = CString::try_from(name) {
            document.append(name, bson(value));
        }
    }
    document
}

fn bson(value: &AttributeValue) -> RawBson {
    match value {
        AttributeValue::U64(value) => unsigned(*value),
        AttributeValue::I64(value) => RawBson::Int64(*value),
        AttributeValue::F64(value) => RawBson::Double(*value),
        AttributeValue::Bool(value) => RawBson::Boolean(*value),
        AttributeValue::Text(text) => RawBson::String(text.to_string()),
        AttributeValue::ListU64(values) => {
            let mut array = RawArrayBuf::new();
            values.iter().for_each(|value| array.push(unsigned(*value)));
            RawBson::Array(array)
        }
    }
}

fn unsigned(value: u64) -> RawBson {
    match i64::try_from(value) {
        Ok(value) => RawBson::Int64(value),
        Err(_) => RawBson::Decimal128(Decimal128::from_bytes(decimal(value))),
    }
}

/// An integer as BSON lays out decimal numbers: IEEE 754-2008 in binary, with the exponent 0, which is biased by 6176.
pub(crate) fn decimal(value: u64) -> [u8; 16] {
    (6176_u128 << 113 | u128::from(value)).to_le_bytes()
}
