//! A checksum over the columns of a row, so that a flipped bit is noticed wherever it is.

use alumet_core::time::Timestamp;
use crc32fast::Hasher;

use crate::log::Mark;

/// CRC-32 over columns, each in a fixed number of bytes or with its length first.
#[derive(Default)]
pub(super) struct Check(Hasher);

impl Check {
    pub(super) fn number(mut self, number: u64) -> Self {
        self.0.update(&number.to_le_bytes());
        self
    }

    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    pub(super) fn mark(self, mark: Mark) -> Self {
        self.number(mark.sequence)
            .number(mark.records)
            .number(mark.samples)
            .number(mark.bytes)
    }

    pub(super) fn time(self, time: Option<(Timestamp, Timestamp)>) -> Self {
        match time {
            None => self.number(0),
            Some((first, last)) => self
                .number(1)
                .number(first.as_nanos() as u64)
                .number(last.as_nanos() as u64),
        }
    }

    pub(super) fn finish(self) -> i64 {
        i64::from(self.0.finalize())
    }
}
