//! `/sys/devices/system/cpu/online`: which CPUs run.
//!
//! Format: `Documentation/admin-guide/cputopology.rst`; the same lists are in cpusets and NUMA nodes.

use crate::{ParseError, Parsed, SystemRoot, Table};
use alumet_reader_kernel_file::Extent;
use alumet_reader_kernel_file::fields::{leading_number, number};

/// A set of CPU numbers, as in `0-3,5`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuList {
    /// The first and the last number of each range, in rising order.
    pub ranges: Vec<(u32, u32)>,
}

impl CpuList {
    /// How many CPUs are in the set.
    pub fn count(&self) -> u64 {
        self.ranges
            .iter()
            .map(|(first, last)| u64::from(last - first) + 1)
            .sum()
    }
}

/// Parses a list of CPUs. An empty list is valid: no CPU.
///
/// # Errors
/// When the ranges are malformed or not in rising order; `out` then holds a part.
pub fn parse(bytes: &[u8], out: &mut CpuList) -> Parsed {
    let wrong = ParseError::at(
        1,
        "CPU numbers and ranges in rising order are expected, such as `0-3,5`",
    );
    out.ranges.clear();
    let list = bytes.trim_ascii();
    if list.is_empty() {
        return Ok(None);
    }
    for range in list.split(|byte| *byte == b',') {
        let (first, last) = parse_range(range).ok_or(wrong)?;
        if last < first || out.ranges.last().is_some_and(|(_, before)| first <= *before) {
            return Err(wrong);
        }
        out.ranges.push((first, last));
    }
    Ok(None)
}

fn parse_range(range: &[u8]) -> Option<(u32, u32)> {
    let (first, rest) = leading_number(range)?;
    let last = match rest {
        [] => first,
        [b'-', last @ ..] => number(last)?,
        _ => return None,
    };
    Some((u32::try_from(first).ok()?, u32::try_from(last).ok()?))
}

/// The list of the CPUs that run now.
pub fn table(root: &SystemRoot) -> Table<CpuList> {
    let path = root.sys("devices/system/cpu/online");
    let mend = "mount sysfs there, or name another system root";
    Table::new(path, Extent::OneRecord, mend, CpuList::default(), parse)
}

/// How many CPUs run.
#[derive(Debug)]
pub struct OnlineCpus {
    table: Table<CpuList>,
    last: u64,
}

impl OnlineCpus {
    /// Counts the CPUs of the machine; where it does not tell, those that this program may use.
    pub fn open(root: &SystemRoot) -> Self {
        let of_this_program = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            table: table(root),
            last: u64::try_from(of_this_program).unwrap_or(1),
        }
    }

    /// The number of now; the last one when the list cannot be read.
    pub fn count(&mut self) -> u64 {
        if let Ok(list) = self.table.read() {
            self.last = list.count().max(1);
        }
        self.last
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Result<CpuList, ParseError> {
        let mut list = CpuList::default();
        parse(text.as_bytes(), &mut list).map(|_| list)
    }

    #[test]
    fn ranges_and_single_cpus_are_counted() {
        let list = parsed("0-3,5\n").unwrap();
        assert_eq!(list.count(), 5);
        assert_eq!(list.ranges, [(0, 3), (5, 5)]);
    }

    #[test]
    fn an_empty_list_is_no_cpu() {
        assert_eq!(parsed("\n").unwrap().count(), 0);
    }

    #[test]
    fn the_widest_range_does_not_overflow() {
        assert_eq!(parsed("0-4294967295").unwrap().count(), 1 << 32);
    }

    #[test]
    fn overlapping_or_malformed_ranges_are_refused() {
        for wrong in [
            "3-1",
            "0-3,2",
            "1,1",
            "0-",
            "-3",
            "a",
            "0,,1",
            "0-3x",
            "4294967296",
            "0-3:1/2",
        ] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_printed_set_is_read_back(cpus in proptest::collection::btree_set(0_u32..300, 1..64)) {
            let text: Vec<String> = cpus.iter().map(u32::to_string).collect();
            let list = parsed(&text.join(",")).unwrap();
            prop_assert_eq!(list.count(), cpus.len() as u64);
            let read: BTreeSet<u32> = list.ranges.into_iter().flat_map(|(first, last)| first..=last).collect();
            prop_assert_eq!(read, cpus);
        }
    }
}
