//! Columns of numbers, each in the form that makes them small.

mod divisor;
pub(crate) mod float;
mod frame;
pub(crate) mod integer;
pub(crate) mod runs;

use alumet_core::ValueType;

use crate::bytes::{Bytes, put_varint};
use crate::error::DecodeError;

/// Where the columns of a payload are written: its three parts.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    pub(crate) head: Vec<u8>,
    pub(crate) high: Vec<u8>,
    pub(crate) low: Vec<u8>,
}

impl Sink {
    pub(crate) fn clear(&mut self) {
        self.head.clear();
        self.high.clear();
        self.low.clear();
    }

    /// The lengths that stand before the parts.
    pub(crate) fn lengths(&self) -> Vec<u8> {
        let mut lengths = Vec::new();
        put_varint(&mut lengths, self.head.len() as u64);
        put_varint(&mut lengths, self.high.len() as u64);
        lengths
    }
}

/// Where the columns of a payload are read.
#[derive(Debug)]
pub(crate) struct Streams<'a> {
    pub(crate) head: Bytes<'a>,
    high: Bytes<'a>,
    low: Bytes<'a>,
}

impl<'a> Streams<'a> {
    /// The parts of a body.
    pub(crate) fn new(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut bytes = Bytes::new(body);
        let head = bytes.count("bytes of the head", body.len())?;
        let high = bytes.count("bytes of the high planes", body.len())?;
        let (head, high) = (
            bytes.take(head, "the head")?,
            bytes.take(high, "the high planes")?,
        );
        Ok(Self::of(head, high, bytes.rest()))
    }

    /// These parts.
    pub(crate) const fn of(head: &'a [u8], high: &'a [u8], low: &'a [u8]) -> Self {
        Self {
            head: Bytes::new(head),
            high: Bytes::new(high),
            low: Bytes::new(low),
        }
    }

    /// Makes sure that everything was read.
    pub(crate) fn finish(&self) -> Result<(), DecodeError> {
        self.head.finish()?;
        self.high.finish()?;
        self.low.finish()
    }
}

/// How the lower of two numbers is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Unsigned,
    Signed,
}

impl Order {
    pub(crate) const fn of(value_type: ValueType) -> Self {
        match value_type {
            ValueType::I64 => Self::Signed,
            // Floats by their bits; most columns have one sign.
            ValueType::U64 | ValueType::F64 => Self::Unsigned,
        }
    }

    /// The lowest number; 0 if there is none.
    fn lowest(self, values: impl Iterator<Item = u64>) -> u64 {
        match self {
            Self::Unsigned => values.min(),
            Self::Signed => values.map(u64::cast_signed).min().map(i64::cast_unsigned),
        }
        .unwrap_or(0)
    }
}
