//! `/proc/PID/smaps_rollup`: memory of a process, exact and slow.
//!
//! The kernel walks all page tables of the process for it, which takes milliseconds for a large one.
//! Format: `Documentation/ABI/testing/procfs-smaps_rollup`, since Linux 4.14.

use super::Processes;
use crate::entry_list::{Amount, amount, split};
use crate::{ParseError, ReadError};
use alumet_reader_kernel_file::Extent;
use alumet_reader_kernel_file::fields::lines;

/// Memory of a process in bytes. What the kernel does not print is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SmapsRollup {
    /// Resident.
    pub rss: u64,
    /// Proportional: each shared page counts by its share, so that the sum over all processes is the memory in use.
    pub pss: u64,
    /// The anonymous part of `pss`, since Linux 5.4.
    pub pss_anon: Option<u64>,
    /// The part of `pss` that belongs to files, since Linux 5.4.
    pub pss_file: Option<u64>,
    /// The part of `pss` that is shared memory, since Linux 5.4.
    pub pss_shmem: Option<u64>,
    /// Resident, unmodified, of this process alone.
    pub private_clean: Option<u64>,
    /// Resident, modified, of this process alone.
    pub private_dirty: Option<u64>,
    /// Swapped out.
    pub swap: Option<u64>,
    /// Swapped out, in proportion.
    pub swap_pss: Option<u64>,
}

/// Parses `/proc/PID/smaps_rollup`.
///
/// # Errors
/// When `Rss` or `Pss` is missing or an amount is not in kB; `out` then holds a mixture.
pub fn parse(bytes: &[u8], out: &mut SmapsRollup) -> Result<(), ParseError> {
    *out = SmapsRollup::default();
    let (mut rss, mut pss) = (None, None);
    for (number, line) in lines(bytes) {
        let Some((name, text)) = split(line) else {
            continue;
        };
        let place = match name {
            b"Rss" => &mut rss,
            b"Pss" => &mut pss,
            b"Pss_Anon" => &mut out.pss_anon,
            b"Pss_File" => &mut out.pss_file,
            b"Pss_Shmem" => &mut out.pss_shmem,
            b"Private_Clean" => &mut out.private_clean,
            b"Private_Dirty" => &mut out.private_dirty,
            b"Swap" => &mut out.swap,
            b"SwapPss" => &mut out.swap_pss,
            _ => continue,
        };
        match amount(text) {
            Some(Amount::Bytes(bytes)) => *place = Some(bytes),
            _ => return Err(ParseError::at(number, "a size in kB is expected")),
        }
    }
    let (Some(rss), Some(pss)) = (rss, pss) else {
        return Err(ParseError::whole("lines `Rss` and `Pss` are expected"));
    };
    (out.rss, out.pss) = (rss, pss);
    Ok(())
}

impl Processes {
    /// Reads `/proc/PID/smaps_rollup`; `None` for a process without memory of its own: a kernel thread or one that
    /// has ended but was not waited for.
    ///
    /// # Errors
    /// `Gone` when the process has ended, `PermissionDenied` when it belongs to another user.
    pub fn smaps_rollup(&mut self, pid: u32) -> Result<Option<SmapsRollup>, ReadError> {
        let mut memory = SmapsRollup::default();
        match self.read_with(pid, "smaps_rollup", Extent::OneRecord, |bytes| {
            parse(bytes, &mut memory)
        }) {
            Ok(()) => Ok(Some(memory)),
            // The kernel says "no such process" for "no memory", too; before Linux 4.14 the file is absent.
            Err(ReadError::Gone { .. }) if self.exists(pid) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_become_bytes_and_missing_ones_stay_missing() {
        let text =
            "5641286 ---p 00000000 00:00 0   [rollup]\nRss: 3 kB\nPss: 2 kB\nSwapPss: 1 kB\nLocked: 9 kB\n";
        let mut memory = SmapsRollup {
            swap: Some(1),
            ..SmapsRollup::default()
        };
        parse(text.as_bytes(), &mut memory).unwrap();
        let expected = SmapsRollup {
            rss: 3072,
            pss: 2048,
            swap_pss: Some(1024),
            ..SmapsRollup::default()
        };
        assert_eq!(memory, expected);
    }

    #[test]
    fn without_both_main_sizes_it_is_refused() {
        for wrong in [
            "",
            "Rss: 3 kB\n",
            "Pss: 3 kB\n",
            "Rss: 3 kB\nPss: 3\n",
            "Rss: 3 kB\nPss: x kB\n",
        ] {
            assert!(
                parse(wrong.as_bytes(), &mut SmapsRollup::default()).is_err(),
                "{wrong}"
            );
        }
    }
}
