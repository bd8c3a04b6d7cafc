//! The format: a command that inserts a document of each sample.

use alumet_core::output::Delivery;
use alumet_core::{Failure, SeriesMap, Value};
use mongodb::bson::{RawDocumentBuf, rawdoc};

use crate::config::Config;
use crate::series::{Common, decimal};

/// Makes commands; computes what repeats once per series.
#[derive(Debug)]
pub struct Encoder {
    config: Config,
    /// The command up to its documents.
    head: Vec<u8>,
    series: SeriesMap<Common>,
}

/// A server takes 16 MiB at once; some of that is for what the driver adds.
const LIMIT: usize = 15 << 20;

// The types of elements (https://bsonspec.org/spec.html).
const DOUBLE: u8 = 0x01;
const DOCUMENT: u8 = 0x03;
const ARRAY: u8 = 0x04;
const INT64: u8 = 0x12;
const DECIMAL: u8 = 0x13;

/// What stands before the identifier: its type (binary), its name, its length and its kind (any).
const ID: &[u8] = b"\x05_id\0\x20\0\0\0\0";
const TIMESTAMP: &[u8] = b"\x09timestamp\0";
const TIMESTAMP_NS: &[u8] = b"\x12timestamp_ns\0";

impl Encoder {
    /// An encoder for a collection as it is configured.
    pub fn new(config: &Config) -> Self {
        let command = rawdoc! { "insert": config.collection.as_str(), "ordered": false };
        let mut head = command.into_bytes();
        // Documents come instead of the end.
        head.pop();
        head.push(ARRAY);
        head.extend_from_slice(b"documents\0");
        Self {
            config: config.clone(),
            head,
            series: SeriesMap::new(),
        }
    }

    /// The command that inserts all samples of `delivery`, in their order.
    ///
    /// # Errors
    /// When it is too large for a server.
    pub fn encode(&mut self, delivery: &Delivery) -> Result<RawDocumentBuf, Failure> {
        // About as long as documents are.
        let mut out = Vec::with_capacity(self.head.len() + delivery.len() * 448);
        out.extend_from_slice(&self.head);
        let documents = begin(&mut out);
        for (position, sample) in delivery.samples().enumerate() {
            let common = self.series.get_or_try_insert_with(sample.series, || {
                let info = delivery.catalog().describe(sample.series);
                let info = info.ok_or_else(|| Failure::too_large("nobody knows the series of a sample"))?;
                Ok::<_, Failure>(Common::new(&info, &self.config))
            })?;
            out.push(DOCUMENT);
            out.extend_from_slice(itoa::Buffer::new().format(position).as_bytes());
            out.push(0);
            let document = begin(&mut out);
            let nanos = sample.timestamp.as_nanos();
            let (value_type, bits) = match sample.value() {
                Value::U64(value) if value > i64::MAX as u64 => (DECIMAL, value),
                Value::U64(value) => (INT64, value),
                Value::I64(value) => (INT64, value.cast_unsigned()),
                Value::F64(value) => (DOUBLE, value.to_bits()),
            };
            out.extend_from_slice(ID);
            // In the order of time, so that an index grows at its end; the first bit puts negative times first.
            out.extend_from_slice(&(nanos ^ i64::MIN).to_be_bytes());
            out.extend_from_slice(&common.id);
            out.extend_from_slice(&bits.to_be_bytes());
            out.extend_from_slice(TIMESTAMP);
            out.extend_from_slice(&nanos.div_euclid(1_000_000).to_le_bytes());
            out.extend_from_slice(TIMESTAMP_NS);
            out.extend_from_slice(&nanos.to_le_bytes());
            out.push(value_type);
            out.extend_from_slice(b"value\0");
            match value_type {
                DECIMAL => out.extend_from_slice(&decimal(bits)),
                _ => out.extend_from_slice(&bits.to_le_bytes()),
            }
            out.extend_from_slice(&common.elements);
            end(&mut out, document);
            if out.len() > LIMIT {
                return Err(Failure::too_large(format!("more than {LIMIT} bytes at once")));
            }
        }
        end(&mut out, documents);
        end(&mut out, 0);
        Ok(RawDocumentBuf::from_bytes(out)?)
    }
}

/// Leaves room for the length of a document, which begins here.
fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    start
}

/// Ends the document that begins at `start`.
fn end(out: &mut Vec<u8>, start: usize) {
    out.push(0);
    // Far below what fits, because of the limit.
    let len = (out.len() - start) as u32;
    out[start..start + 4].copy_from_slice(&len.to_le_bytes());
}
