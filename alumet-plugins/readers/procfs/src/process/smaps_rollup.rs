//! `/proc/PID/smaps_rollup`: memory of a process, exact and slow.
//!
//! The kernel walks all page tables of the process for it, which takes milliseconds for a large one.
//! Format: `Documentation/ABI/testing/procfs-smaps_rollup`, since Linux 4.14.

use super::Processes;
use super::status::size;
use crate::{ParseError, ReadError};
use alumet_reader_kernel_file::Extent;

/// Memory of a process in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SmapsRollup {
    /// Resident.
    pub rss: u64,
    /// Proportional: each shared page counts by its share, so that the sum over all processes is the memory in use.
    pub pss: u64,
}

/// Parses `/proc/PID/smaps_rollup`.
///
/// # Errors
/// When `Rss` or `Pss` is missing or not in kB.
pub fn parse(bytes: &[u8]) -> Result<SmapsRollup, ParseError> {
    let expected = "lines `Rss` and `Pss` in kB are expected";
    let size = |name| size(bytes, name).ok_or(ParseError::whole(expected));
    Ok(SmapsRollup {
        rss: size("Rss")?,
        pss: size("Pss")?,
    })
}

impl Processes {
    /// Reads `/proc/PID/smaps_rollup`; `None` for a process without memory of its own: a kernel thread or one that
    /// has ended but was not waited for.
    ///
    /// # Errors
    /// `Gone` when the process has ended, `PermissionDenied` when it belongs to another user.
    pub fn smaps_rollup(&mut self, pid: u32) -> Result<Option<SmapsRollup>, ReadError> {
        match self.read_with(pid, "smaps_rollup", Extent::OneRecord, parse) {
            // The kernel says "no such process" for "no memory", too; before Linux 4.14 the file is absent.
            Err(ReadError::Gone { .. }) if self.exists(pid) => Ok(None),
            read => read.map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_become_bytes() {
        let text =
            "5641286 ---p 00000000 00:00 0   [rollup]\nRss: 3 kB\nPss: 2 kB\nPss_Anon: x\nLocked: 9 kB\n";
        let memory = parse(text.as_bytes());
        assert_eq!(memory, Ok(SmapsRollup { rss: 3072, pss: 2048 }));
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
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
