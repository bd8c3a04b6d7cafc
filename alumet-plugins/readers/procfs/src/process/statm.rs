//! `/proc/PID/statm`: memory of a process, quick and coarse.
//!
//! Format: `Documentation/filesystems/proc.rst`, table 1-3.

use super::Processes;
use crate::{ParseError, ReadError};
use alumet_reader_kernel_file::Extent;
use alumet_reader_kernel_file::fields::Fields;

/// Memory of a process, in pages from [`parse`] and in bytes from [`Processes::statm`].
///
/// Resident and shared sizes are imprecise by some pages per CPU; `smaps_rollup` is exact and much slower.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statm {
    /// Virtual size.
    pub virtual_size: u64,
    /// Resident size, including shared pages.
    pub resident: u64,
    /// Resident pages of files and shared memory.
    pub shared: u64,
}

/// Parses `/proc/PID/statm`, in pages.
///
/// # Errors
/// When one of the first three numbers is missing or malformed; `out` is then unchanged.
pub fn parse(bytes: &[u8], out: &mut Statm) -> Result<(), ParseError> {
    let mut fields = Fields::of(bytes.trim_ascii_end());
    let mut next = || {
        fields
            .number()
            .ok_or(ParseError::at(1, "three counts of pages are expected"))
    };
    *out = Statm {
        virtual_size: next()?,
        resident: next()?,
        shared: next()?,
    };
    Ok(())
}

impl Processes {
    /// Reads `/proc/PID/statm`, in bytes. A kernel thread has no memory of its own: all zero.
    ///
    /// # Errors
    /// `Gone` when the process has ended.
    pub fn statm(&mut self, pid: u32) -> Result<Statm, ReadError> {
        let mut pages = Statm::default();
        self.read_with(pid, "statm", Extent::OneRecord, |bytes| parse(bytes, &mut pages))?;
        Ok(pages.in_bytes(self.page_size))
    }
}

impl Statm {
    /// Pages become bytes.
    pub(super) const fn in_bytes(self, page_size: u64) -> Self {
        Self {
            virtual_size: self.virtual_size.saturating_mul(page_size),
            resident: self.resident.saturating_mul(page_size),
            shared: self.shared.saturating_mul(page_size),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_three_numbers_count() {
        let mut statm = Statm::default();
        parse(b"765 387 323 5 0 96 0\n", &mut statm).unwrap();
        assert_eq!(
            statm,
            Statm {
                virtual_size: 765,
                resident: 387,
                shared: 323
            }
        );
        assert!(parse(b"765 387\n", &mut statm).is_err());
    }
}
