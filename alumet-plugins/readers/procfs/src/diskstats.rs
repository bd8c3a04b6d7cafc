//! `/proc/diskstats`: requests, amounts and times of the block devices.
//!
//! Format: `Documentation/admin-guide/iostats.rst`.

use std::collections::HashSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bstr::ByteSlice;

use crate::{BString, Parsed, ReadError, SystemRoot, Table};
use alumet_reader_kernel_file::Extent;
use alumet_reader_kernel_file::fields::{Fields, number, records};

/// What can be requested of a block device: discards (TRIM) since Linux 4.18, flushes since 5.5.
pub const DIRECTIONS: [&str; 4] = ["read", "write", "discard", "flush"];

/// One block device. All counters count since boot or since the device appeared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// Its name, such as `nvme0n1p2`.
    pub name: BString,
    /// Whether it is a whole disk or a partition; filled in by [`DiskStatsFile`], not by [`parse`].
    pub kind: DiskKind,
    /// The requests in each of the [`DIRECTIONS`]; `None` for what the kernel does not print.
    pub requests: [Option<Requests>; DIRECTIONS.len()],
    /// Milliseconds with at least one request in flight.
    pub io_ms: u64,
}

/// Requests of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Requests completed.
    pub completed: u64,
    /// The amount of data in bytes; `None` for flushes, which have none.
    pub bytes: Option<u64>,
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

/// Parses `/proc/diskstats` into a list, in the kernel's order, that is reused from read to read. The kind of a disk is kept as long as its
/// name stays at the same place.
///
/// # Errors
/// When there are lines and none of them is sound: it has fewer columns than Linux 2.6.25 prints, or one is no count.
pub fn parse(bytes: &[u8], out: &mut Vec<Disk>) -> Parsed {
    let expected = "two device numbers, a name and at least eleven counts are expected";
    records(bytes, 0, expected, out, disk)
}

fn disk(line: &[u8], out: &mut Disk) -> Option<()> {
    let mut fields = Fields::of(line);
    fields.nth(1)?; // major and minor number
    let (name, mut fields) = name(fields)?;
    let (reads, writes) = (requests(&mut fields)?, requests(&mut fields)?);
    fields.next()?; // requests in flight
    let io_ms = fields.number()?;
    fields.next()?; // milliseconds times requests in flight
    // `lxcfs` prints three of the four counts of discards: what is not whole is not there.
    let discards = requests(&mut fields);
    let flushes = discards.and_then(|_| {
        Some(Requests {
            completed: fields.number()?,
            bytes: None,
            ms: fields.number()?,
        })
    });
    if out.name != name {
        name.clone_into(&mut out.name);
        out.kind = DiskKind::Unknown;
    }
    out.requests = [Some(reads), Some(writes), discards, flushes];
    out.io_ms = io_ms;
    Some(())
}

/// The name at the cursor, which may have blanks, and the cursor before the first number behind it.
fn name<'a>(mut fields: Fields<'a>) -> Option<(&'a [u8], Fields<'a>)> {
    let line = fields.rest().trim_ascii_start();
    loop {
        fields.next()?;
        if number(fields.clone().next()?).is_some() {
            return Some((&line[..line.len() - fields.rest().len()], fields));
        }
    }
}

fn requests(fields: &mut Fields<'_>) -> Option<Requests> {
    /// In bytes, whatever the device's own sector size is.
    const SECTOR: u64 = 512;
    let completed = fields.number()?;
    fields.next()?; // merged with a neighbour
    Some(Requests {
        completed,
        bytes: Some(fields.number()?.saturating_mul(SECTOR)),
        ms: fields.number()?,
    })
}

/// The open `/proc/diskstats`, together with the list of whole disks in `/sys/block`.
#[derive(Debug)]
pub struct DiskStatsFile {
    table: Table<Vec<Disk>>,
    block: PathBuf,
}

impl DiskStatsFile {
    /// The file and the list below `root`.
    pub fn of(root: &SystemRoot) -> Self {
        let (path, mend) = (root.proc("diskstats"), crate::root::MOUNT_PROC);
        Self {
            table: Table::new(path, Extent::ManyRecords, mend, Vec::new(), parse),
            block: root.sys("block"),
        }
    }

    /// The present values. `/sys/block` is listed only when a device appeared or moved; while it cannot be listed,
    /// the kinds stay unknown.
    ///
    /// # Errors
    /// When `/proc/diskstats` cannot be read or parsed.
    pub fn read(&mut self) -> Result<&[Disk], ReadError> {
        let disks = self.table.read()?;
        if disks.iter().any(|disk| disk.kind == DiskKind::Unknown)
            && let Some(whole) = whole_disks(&self.block)
        {
            for disk in &mut *disks {
                disk.kind = match whole.contains(&*disk.name) {
                    true => DiskKind::Whole,
                    false => DiskKind::Partition,
                };
            }
        }
        Ok(disks)
    }
}

/// The names in `/sys/block`.
fn whole_disks(block: &Path) -> Option<HashSet<Vec<u8>>> {
    let entries = fs::read_dir(block).ok()?.flatten();
    // A slash cannot be in a file name: sysfs writes `cciss/c0d0` as `cciss!c0d0`.
    let names = entries.map(|entry| entry.file_name().as_bytes().replace("!", "/"));
    Some(names.collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ParseError;

    fn parsed(text: &str) -> Result<Vec<Disk>, ParseError> {
        let mut disks = Vec::new();
        parse(text.as_bytes(), &mut disks).map(|_| disks)
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
            .map(|d| (d.requests[2].is_some(), d.requests[3].is_some()))
            .collect();
        assert_eq!(present, [(false, false), (true, false), (true, true)]);
        let [reads, _, _, flushes] = disks[2].requests.map(Option::unwrap);
        assert_eq!((reads.bytes, disks[2].io_ms), (Some(3 * 512), 10));
        assert_eq!((flushes.completed, flushes.bytes, flushes.ms), (16, None, 17));
    }

    #[test]
    fn fourteen_counts_are_eleven_and_no_discards() {
        let disks = parsed("8 0 sda 0 0 0 0 46 0 977 34 0 2 0 0 0 0\n").unwrap();
        let [_, writes, discards, flushes] = disks[0].requests;
        assert_eq!((writes.unwrap().completed, disks[0].io_ms), (46, 2));
        assert_eq!((discards, flushes), (None, None));
    }

    #[test]
    fn a_name_may_have_blanks_and_an_odd_row_costs_one_row() {
        let row = "1 2 3 4 5 6 7 8 9 10 11";
        let text = format!(
            "8 0 my disk {row}\n8 1 sda1 1 2 3 4\n8 2 sda2 1 2 -3 4 5 6 7 8 9 10 11\n8 3 sda3 {row}\n8 4 sda4 1"
        );
        let mut disks = Vec::new();
        let odd = parse(text.as_bytes(), &mut disks).unwrap();
        let names: Vec<_> = disks.iter().map(|disk| disk.name.to_string()).collect();
        assert_eq!(names, ["my disk", "sda3"]);
        assert!(odd.is_some());
        assert_eq!(parsed("8 1 sda1 1 2 3 4\n").unwrap_err().line, Some(1));
    }

    #[test]
    fn a_device_that_takes_another_s_place_does_not_inherit_its_kind() {
        let mut disks = Vec::new();
        parse(b"8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n", &mut disks).unwrap();
        disks[0].kind = DiskKind::Whole;
        parse(b"8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n", &mut disks).unwrap();
        assert_eq!(disks[0].kind, DiskKind::Whole);
        parse(b"8 1 sda1 1 2 3 4 5 6 7 8 9 10 11\n", &mut disks).unwrap();
        assert_eq!(disks[0].kind, DiskKind::Unknown);
    }

    proptest! {
        #[test]
        fn a_printed_line_is_read_back(values in proptest::array::uniform17(any::<u64>()), name in "[a-z!/-][a-z!/0-9-]{0,20}") {
            let columns: Vec<String> = values.iter().map(u64::to_string).collect();
            let disks = parsed(&format!("   8       0 {name} {}\n", columns.join(" "))).unwrap();
            let requests = |at: usize| Some(Requests {
                completed: values[at], bytes: Some(values[at + 2].saturating_mul(512)), ms: values[at + 3],
            });
            let flushes = Requests { completed: values[15], bytes: None, ms: values[16] };
            let expected = Disk {
                name: name.as_str().into(), kind: DiskKind::Unknown,
                requests: [requests(0), requests(4), requests(11), Some(flushes)], io_ms: values[9],
            };
            prop_assert_eq!(disks, vec![expected]);
        }
    }
}
