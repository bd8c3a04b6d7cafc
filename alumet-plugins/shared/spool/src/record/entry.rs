//! One record, and where it ends.

use std::sync::Arc;

use alumet_core::spool::{InstanceId, Origin, Record};
use alumet_core::time::Timestamp;

/// The end of a record, counted from the first that was ever appended.
///
/// The difference of two marks is what lies between them, so nothing has to be added up, however much waits. Of two, the
/// later one is the larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Mark {
    /// The number of the record. After a crash some numbers are left out.
    pub(crate) sequence: u64,
    /// How many records there were up to here.
    pub(crate) records: u64,
    /// How many samples they had.
    pub(crate) samples: u64,
    /// How many bytes they took on disk, see [`footprint`].
    pub(crate) bytes: u64,
}

#[cfg(test)]
impl Mark {
    /// After so many records of ten samples and a hundred bytes.
    pub(crate) const fn after(sequence: u64) -> Self {
        Self {
            sequence,
            records: sequence,
            samples: sequence * 10,
            bytes: sequence * 100,
        }
    }
}

/// One record: what an output gets, and what is to be known to keep it in order.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Its number, and all up to it.
    pub(crate) end: Mark,
    pub(crate) generation: u32,
    pub(crate) samples: u32,
    /// What it takes on disk, see [`footprint`].
    pub(crate) bytes: u64,
    /// CRC-32 of the payload.
    pub(crate) checksum: u32,
    /// The first and the last timestamp.
    pub(crate) time: Option<(Timestamp, Timestamp)>,
    /// When it was appended.
    pub(crate) appended: Timestamp,
    /// Which batch of which sender it was; not known of one that was read from the file.
    pub(crate) origin: Option<Origin>,
    pub(crate) payload: Arc<[u8]>,
}

/// Which batch of which sender a record was. The file has it apart from the record, so that it is known of a damaged one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// The number of the record.
    pub(crate) record: u64,
    pub(crate) sender: InstanceId,
    /// The number of the batch there.
    pub(crate) sequence: u64,
}

impl Entry {
    pub(crate) fn arrival(&self) -> Option<Arrival> {
        let origin = self.origin?;
        Some(Arrival {
            record: self.end.sequence,
            sender: origin.instance,
            sequence: origin.sequence,
        })
    }

    /// The mark before it, with the number that comes right before its own.
    pub(crate) fn begin(&self) -> Mark {
        Mark {
            sequence: self.end.sequence.wrapping_sub(1),
            records: self.end.records.wrapping_sub(1),
            samples: self.end.samples.wrapping_sub(u64::from(self.samples)),
            bytes: self.end.bytes.wrapping_sub(self.bytes),
        }
    }

    /// What it takes in memory, roughly.
    pub(crate) fn memory(&self) -> usize {
        self.payload.len() + size_of::<Self>() + 64
    }

    /// What an output sees of it.
    pub(crate) fn record(&self) -> Record {
        Record {
            sequence: self.end.sequence,
            generation: self.generation,
            samples: self.samples,
            checksum: self.checksum,
            payload: Arc::clone(&self.payload),
            batch: None,
        }
    }
}

/// The size of a page of the file.
pub(crate) const PAGE_SIZE: u64 = 4096;

/// How many bytes of the file a record with a payload of that length takes, at most.
///
/// Short rows share a page; of a long one, only its beginning does, and the rest fills pages of its own, of which each
/// names the next ("Database File Format", sqlite.org/fileformat2.html, section 1.6: M = (U - 12) * 32 / 255 - 23).
pub(crate) fn footprint(payload: usize) -> u64 {
    /// The other columns and the header of the row, at most.
    const COLUMNS: u64 = 80;
    const BEGINNING: u64 = (PAGE_SIZE - 12) * 32 / 255 - 23;
    let row = payload as u64 + COLUMNS;
    match (PAGE_SIZE - 8) / (row + 2) {
        0 => (row - BEGINNING).div_ceil(PAGE_SIZE - 4) * PAGE_SIZE + PAGE_SIZE / 8,
        rows => PAGE_SIZE / rows,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_takes_at_least_its_payload_and_at_most_two_pages_more() {
        for length in (0..20_000).chain([1 << 20, 1 << 24]) {
            let bytes = footprint(length);
            assert!(bytes >= length as u64, "{length}: {bytes}");
            assert!(
                bytes <= length as u64 * 4100 / 4092 + 2 * PAGE_SIZE,
                "{length}: {bytes}"
            );
        }
    }
}
