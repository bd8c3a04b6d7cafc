//! Columns of numbers of which each can be read alone: what a store keeps, in the envelope and with the columns of batches.
//!
//! The body is, in this order: as varints, the lengths of the head and the high planes of the index, of its low planes, and of the
//! head and the high planes of the data; then these parts, and at the end the low planes of the data. What the columns are is
//! for whoever writes them to say, in the index.

use std::ops::Range;
use std::sync::Arc;

use alumet_core::ValueType;

use crate::bytes::{Bytes, put_varint};
use crate::column::{Order, Sink, Streams, float, integer};
use crate::envelope::{Opener, Sealer};
use crate::error::DecodeError;

/// Writes columns.
pub struct ColumnsWriter {
    index: Sink,
    data: Sink,
    corrections: Vec<u64>,
    sealer: Sealer,
}

/// Where a column of the data begins, in each of the three streams that it is in.
pub type Place = [usize; 3];

impl ColumnsWriter {
    /// Nothing yet. `level` is how hard Zstandard tries.
    pub fn new(level: i32) -> Self {
        Self {
            index: Sink::default(),
            data: Sink::default(),
            corrections: Vec::new(),
            sealer: Sealer::new(level),
        }
    }

    /// Where the next column of the data begins.
    pub fn place(&self) -> Place {
        [&self.data.head, &self.data.high, &self.data.low].map(Vec::len)
    }

    /// Appends a column to the data, whose values it uses up: as in [`Batch::bits`](alumet_core::Batch::bits).
    pub fn write(&mut self, values: &mut [u64], value_type: ValueType) {
        write(values, value_type, &mut self.data, &mut self.corrections);
    }

    /// Appends a column to the index, whose values it uses up.
    pub fn write_index(&mut self, values: &mut [u64]) {
        write(values, ValueType::U64, &mut self.index, &mut self.corrections);
    }

    /// All of it as bytes; then there is nothing any more.
    pub fn seal(&mut self) -> Arc<[u8]> {
        let (index, data) = (&self.index, &self.data);
        let mut front = Vec::new();
        for part in [&index.head, &index.high, &index.low, &data.head, &data.high] {
            put_varint(&mut front, part.len() as u64);
        }
        for part in [&index.head, &index.high, &index.low] {
            front.extend_from_slice(part);
        }
        let sealed = self.sealer.seal(&[&front, &data.head, &data.high, &data.low]);
        self.index.clear();
        self.data.clear();
        sealed
    }
}

/// Opens what [`ColumnsWriter::seal`] has given.
pub struct ColumnsReader(Opener);

/// Columns to be read.
pub struct Columns {
    body: Vec<u8>,
    index: [Range<usize>; 3],
    data: [Range<usize>; 3],
}

/// Columns that follow each other.
pub struct Section<'a> {
    streams: Streams<'a>,
    corrections: Vec<u64>,
}

impl Default for ColumnsReader {
    fn default() -> Self {
        Self(Opener::new())
    }
}

impl ColumnsReader {
    /// The columns, with a body of at most `limit` bytes.
    ///
    /// # Errors
    /// When it is not what a writer has given, or too large.
    pub fn open(&mut self, sealed: &[u8], limit: usize) -> Result<Columns, DecodeError> {
        let body = self.0.open(sealed, limit)?.to_vec();
        let mut bytes = Bytes::new(&body);
        let mut lengths = [0; 5];
        for length in &mut lengths {
            *length = bytes.count("bytes of a part", body.len())?;
        }
        let mut parts: [Range<usize>; 6] = Default::default();
        for (part, length) in parts.iter_mut().zip(lengths) {
            let start = bytes.offset();
            bytes.take(length, "a part")?;
            *part = start..start + length;
        }
        parts[5] = bytes.offset()..body.len();
        let [a, b, c, d, e, f] = parts;
        Ok(Columns {
            body,
            index: [a, b, c],
            data: [d, e, f],
        })
    }
}

impl Columns {
    /// The columns of the index.
    pub fn index(&self) -> Section<'_> {
        Section::new(self.index.each_ref().map(|part| &self.body[part.clone()]))
    }

    /// The columns of the data from a place on.
    ///
    /// # Errors
    /// When there is no such place.
    pub fn data(&self, place: Place) -> Result<Section<'_>, DecodeError> {
        let mut parts: [&[u8]; 3] = Default::default();
        for ((part, range), from) in parts.iter_mut().zip(&self.data).zip(place) {
            *part = self.body[range.clone()]
                .get(from..)
                .ok_or(DecodeError::Truncated {
                    what: "the columns",
                    offset: from,
                })?;
        }
        Ok(Section::new(parts))
    }
}

impl<'a> Section<'a> {
    fn new([head, high, low]: [&'a [u8]; 3]) -> Self {
        Self {
            streams: Streams::of(head, high, low),
            corrections: Vec::new(),
        }
    }

    /// Reads the next column, of as many values as there is room for.
    ///
    /// # Errors
    /// When it is not such a column.
    pub fn read(&mut self, values: &mut [u64], value_type: ValueType) -> Result<(), DecodeError> {
        match value_type {
            ValueType::F64 => float::read(values, &mut self.streams, &mut self.corrections),
            ValueType::U64 | ValueType::I64 => integer::read(values, &mut self.streams),
        }
    }
}

fn write(values: &mut [u64], value_type: ValueType, sink: &mut Sink, corrections: &mut Vec<u64>) {
    match value_type {
        ValueType::F64 => float::write(values, None, sink, corrections),
        integer => integer::write(values, None, Order::of(integer), sink),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_column_is_read_from_its_place() {
        let columns: [(&[u64], ValueType); 3] = [
            (&[5, 7, 1 << 40], ValueType::U64),
            (&[u64::MAX, 3], ValueType::I64),
            (&[1.5_f64.to_bits(), f64::NAN.to_bits()], ValueType::F64),
        ];
        let mut writer = ColumnsWriter::new(1);
        for _ in 0..2 {
            let mut places = Vec::new();
            for (values, value_type) in columns {
                places.push(writer.place());
                writer.write(&mut values.to_vec(), value_type);
            }
            writer.write_index(&mut [1, 2, 3]);
            let sealed = writer.seal();
            let opened = ColumnsReader::default().open(&sealed, 1 << 20).unwrap();
            let mut index = [0; 3];
            opened.index().read(&mut index, ValueType::U64).unwrap();
            assert_eq!(index, [1, 2, 3]);
            for ((values, value_type), place) in columns.into_iter().zip(places).rev() {
                let mut read = vec![9; values.len()];
                opened.data(place).unwrap().read(&mut read, value_type).unwrap();
                assert_eq!(read, values);
            }
            assert!(opened.data([1 << 20, 0, 0]).is_err());
        }
    }

    #[test]
    fn what_is_cut_off_is_an_error() {
        let mut writer = ColumnsWriter::new(1);
        writer.write(&mut [1, 2, 300], ValueType::U64);
        let sealed = writer.seal();
        let read = |bytes: &[u8]| {
            let opened = ColumnsReader::default().open(bytes, 1 << 20)?;
            opened.data([0; 3])?.read(&mut [0; 3], ValueType::U64)
        };
        assert_eq!(read(&sealed), Ok(()));
        (0..sealed.len()).for_each(|length| assert!(read(&sealed[..length]).is_err(), "{length}"));
    }
}
