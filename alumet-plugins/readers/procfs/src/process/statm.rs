//! `/proc/PID/statm`: memory of a process, quick and coarse.
//!
//! Format: `Documentation/filesystems/proc.rst`, table 1-3.

use crate::ParseError;
use alumet_reader_kernel_file::fields::Fields;

/// Memory of a process, in bytes; `None` for a number that is no size, such as the 2^64 − 1 of a kernel whose counts
/// fell below zero.
///
/// Resident and shared sizes are imprecise by some pages per CPU; `smaps_rollup` is exact and much slower.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statm {
    /// Virtual size.
    pub virtual_size: Option<u64>,
    /// Resident size, including shared pages.
    pub resident: Option<u64>,
    /// Resident pages of files and shared memory.
    pub shared: Option<u64>,
}

/// Parses `/proc/PID/statm`, whose numbers are pages of `page_size` bytes.
///
/// # Errors
/// When one of the first three numbers is missing or malformed.
pub fn parse(bytes: &[u8], page_size: u64) -> Result<Statm, ParseError> {
    let mut fields = Fields::of(bytes.trim_ascii_end());
    let mut next = || {
        let pages = fields.number();
        let pages = pages.ok_or(ParseError::at(1, "three counts of pages are expected"))?;
        Ok(pages.checked_mul(page_size))
    };
    Ok(Statm {
        virtual_size: next()?,
        resident: next()?,
        shared: next()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_three_numbers_count_and_one_that_is_no_size_takes_no_other_away() {
        let statm = parse(b"765 387 323 5 0 96 0\n", 4096).unwrap();
        let expected = Statm {
            virtual_size: Some(765 * 4096),
            resident: Some(387 * 4096),
            shared: Some(323 * 4096),
        };
        assert_eq!(statm, expected);
        let statm = parse(b"18446744073709551615 387 323\n", 4096).unwrap();
        assert_eq!((statm.virtual_size, statm.resident), (None, expected.resident));
        assert!(parse(b"765 387\n", 4096).is_err());
    }
}
