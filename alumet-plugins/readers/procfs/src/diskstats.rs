//! `/proc/diskstats`: requests, amounts and times of the block devices.
//!
//! Format: `Documentation/admin-guide/iostats.rst`.

use std::collections::HashSet;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::{Name, ParseError, ReadError, SystemRoot};
use alumet_reader_kernel_file::fields::{Fields, lines};
use alumet_reader_kernel_file::{Extent, KeptFile};

/// The size in bytes of the sectors that `/proc/diskstats` counts, whatever the device's own sector size is.
pub const SECTOR_SIZE: u64 = 512;

/// One reading of `/proc/diskstats`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskStats {
    /// The devices in the kernel's order.
    pub disks: Vec<Disk>,
}

/// One block device. All counters but `in_flight` count since boot or since the device appeared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// Major device number.
    pub major: u32,
    /// Minor device number.
    pub minor: u32,
    /// Its name, such as `nvme0n1p2`.
    pub name: Name,
    /// Whether it is a whole disk or a partition; filled in by [`DiskStatsFile`], not by [`parse`].
    pub kind: DiskKind,
    /// Reads.
    pub reads: Requests,
    /// Writes.
    pub writes: Requests,
    /// Requests that are being served now.
    pub in_flight: u64,
    /// Milliseconds with at least one request in flight.
    pub io_ms: u64,
    /// Milliseconds times requests in flight.
    pub weighted_io_ms: u64,
    /// Discards (TRIM), since Linux 4.18.
    pub discards: Option<Requests>,
    /// Flushes, since Linux 5.5.
    pub flushes: Option<Flushes>,
}

/// Requests of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Requests completed.
    pub completed: u64,
    /// Requests that were merged with a neighbour before they were queued.
    pub merged: u64,
    /// Sectors of 512 bytes ([`SECTOR_SIZE`]).
    pub sectors: u64,
    /// Milliseconds, summed over the requests.
    pub ms: u64,
}

impl Requests {
    /// The amount of data in bytes.
    pub fn bytes(&self) -> u64 {
        self.sectors.saturating_mul(SECTOR_SIZE)
    }
}

/// Flush requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flushes {
    /// Requests completed.
    pub completed: u64,
    /// Milliseconds, summed over the requests.
    pub ms: u64,
}

/// What a block device is. A sum over disks must leave partitions out, or it counts every request twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DiskKind {
    /// Not found out yet.
    #[default]
    Unknown,
    /// A device of its own, listed in `/sys/block`; also loop, RAM and device-mapper devices.
    Whole,
    /// A part of a whole disk.
    Partition,
}

/// Parses `/proc/diskstats` into a value that is reused from read to read. The kind of a disk is kept as long as its
/// name stays at the same place.
///
/// # Errors
/// When a line has fewer columns than Linux 2.6.25 prints or a number is malformed; `out` then holds a mixture.
pub fn parse(bytes: &[u8], out: &mut DiskStats) -> Result<(), ParseError> {
    let mut count = 0;
    for (number, line) in lines(bytes) {
        if count == out.disks.len() {
            out.disks.push(Disk::default());
        }
        disk(line, &mut out.disks[count]).ok_or(ParseError::at(
            number,
            "two device numbers, a name and at least eleven counts are expected",
        ))?;
        count += 1;
    }
    out.disks.truncate(count);
    Ok(())
}

fn disk(line: &[u8], out: &mut Disk) -> Option<()> {
    let mut fields = Fields::of(line);
    out.major = u32::try_from(fields.number()?).ok()?;
    out.minor = u32::try_from(fields.number()?).ok()?;
    let name = fields.next()?;
    if out.name.as_bytes() != name {
        out.name.assign(name);
        out.kind = DiskKind::Unknown;
    }
    out.reads = requests(&mut fields)?;
    out.writes = requests(&mut fields)?;
    out.in_flight = fields.number()?;
    out.io_ms = fields.number()?;
    out.weighted_io_ms = fields.number()?;
    out.discards = match fields.is_at_end() {
        true => None,
        false => Some(requests(&mut fields)?),
    };
    out.flushes = match fields.is_at_end() {
        true => None,
        false => Some(Flushes {
            completed: fields.number()?,
            ms: fields.number()?,
        }),
    };
    Some(())
}

fn requests(fields: &mut Fields<'_>) -> Option<Requests> {
    Some(Requests {
        completed: fields.number()?,
        merged: fields.number()?,
        sectors: fields.number()?,
        ms: fields.number()?,
    })
}

/// The open `/proc/diskstats`, together with the list of whole disks in `/sys/block`.
#[derive(Debug)]
pub struct DiskStatsFile {
    file: KeptFile,
    block: PathBuf,
    stats: DiskStats,
}

impl DiskStatsFile {
    /// Opens the file.
    ///
    /// # Errors
    /// When it is absent or refused.
    pub fn open(root: &SystemRoot) -> Result<Self, ReadError> {
        let file = KeptFile::open(
            root.proc("diskstats"),
            Extent::ManyRecords,
            crate::root::MOUNT_PROC,
        )?;
        Ok(Self {
            file,
            block: root.sys("block"),
            stats: DiskStats::default(),
        })
    }

    /// The present values. `/sys/block` is listed only when a device appeared or moved; while it cannot be listed,
    /// the kinds stay unknown.
    ///
    /// # Errors
    /// When `/proc/diskstats` cannot be read or parsed.
    pub fn read(&mut self) -> Result<&DiskStats, ReadError> {
        self.file.read_with(|bytes| parse(bytes, &mut self.stats))?;
        if self.stats.disks.iter().any(|disk| disk.kind == DiskKind::Unknown)
            && let Some(whole) = self.whole_disks()
        {
            for disk in &mut self.stats.disks {
                disk.kind = match whole.contains(disk.name.as_bytes()) {
                    true => DiskKind::Whole,
                    false => DiskKind::Partition,
                };
            }
        }
        Ok(&self.stats)
    }

    fn whole_disks(&self) -> Option<HashSet<Vec<u8>>> {
        let mut names = HashSet::new();
        for entry in fs::read_dir(&self.block).ok()?.flatten() {
            let mut name = entry.file_name().into_vec();
            // A slash cannot be in a file name: sysfs writes `cciss/c0d0` as `cciss!c0d0`.
            for byte in &mut name {
                if *byte == b'!' {
                    *byte = b'/';
                }
            }
            names.insert(name);
        }
        Some(names)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Result<Vec<Disk>, ParseError> {
        let mut stats = DiskStats::default();
        parse(text.as_bytes(), &mut stats).map(|()| stats.disks)
    }

    #[test]
    fn older_kernels_have_neither_discards_nor_flushes() {
        let disks = parsed(
            "8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n8 16 sdb 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15\n\
             8 32 sdc 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n",
        )
        .unwrap();
        let present: Vec<_> = disks
            .iter()
            .map(|d| (d.discards.is_some(), d.flushes.is_some()))
            .collect();
        assert_eq!(present, [(false, false), (true, false), (true, true)]);
        assert_eq!(disks[2].reads.bytes(), 3 * 512);
        assert_eq!(disks[2].weighted_io_ms, 11);
        assert_eq!(
            disks[2].flushes,
            Some(Flushes {
                completed: 16,
                ms: 17
            })
        );
    }

    #[test]
    fn a_line_with_too_few_columns_is_refused() {
        assert_eq!(parsed("8 1 sda1 1 2 3 4\n").unwrap_err().line, Some(1));
        assert!(parsed("8 0 sda 1 2 3 4 5 6 7 8 9 10 11 12\n").is_err());
        assert!(parsed("8 0 sda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n").is_err());
    }

    #[test]
    fn a_device_that_takes_another_s_place_does_not_inherit_its_kind() {
        let mut stats = DiskStats::default();
        parse(b"8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n", &mut stats).unwrap();
        stats.disks[0].kind = DiskKind::Whole;
        parse(b"8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n", &mut stats).unwrap();
        assert_eq!(stats.disks[0].kind, DiskKind::Whole);
        parse(b"8 1 sda1 1 2 3 4 5 6 7 8 9 10 11\n", &mut stats).unwrap();
        assert_eq!(stats.disks[0].kind, DiskKind::Unknown);
    }

    proptest! {
        #[test]
        fn a_printed_line_is_read_back(values in proptest::array::uniform17(any::<u64>()), name in "[a-z!/0-9-]{1,20}") {
            let columns: Vec<String> = values.iter().map(u64::to_string).collect();
            let disks = parsed(&format!("   8       0 {name} {}\n", columns.join(" "))).unwrap();
            let requests = |at: usize| Requests {
                completed: values[at], merged: values[at + 1], sectors: values[at + 2], ms: values[at + 3],
            };
            let expected = Disk {
                major: 8, minor: 0, name: name.as_str().into(), kind: DiskKind::Unknown,
                reads: requests(0), writes: requests(4),
                in_flight: values[8], io_ms: values[9], weighted_io_ms: values[10],
                discards: Some(requests(11)),
                flushes: Some(Flushes { completed: values[15], ms: values[16] }),
            };
            prop_assert_eq!(disks, vec![expected]);
        }
    }
}
