//! Lines of the form `Name:   123 kB`, as in `meminfo`, `smaps_rollup` and `/proc/PID/io`.

use alumet_reader_kernel_file::fields::Fields;

/// An amount in one such line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// A size in bytes (the kernel writes KiB, with the unit `kB`).
    Bytes(u64),
    /// A bare count, such as the number of huge pages.
    Count(u64),
}

impl Amount {
    /// The number, whatever it counts.
    pub fn value(self) -> u64 {
        match self {
            Self::Bytes(value) | Self::Count(value) => value,
        }
    }
}

/// Reads the amount that follows the colon; the rest of the bytes after its line is ignored.
pub(crate) fn amount(text: &[u8]) -> Option<Amount> {
    let mut fields = Fields::of(text);
    let number = fields.number()?;
    match fields.next() {
        None => Some(Amount::Count(number)),
        Some(b"kB") if fields.is_at_end() => number.checked_mul(1024).map(Amount::Bytes),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kilobytes_become_bytes_and_counts_stay() {
        assert_eq!(amount(b"    3 kB"), Some(Amount::Bytes(3072)));
        assert_eq!(amount(b"    3"), Some(Amount::Count(3)));
    }

    #[test]
    fn an_unknown_unit_or_an_overflow_is_refused() {
        for wrong in [&b"3 MB"[..], b"3 kB x", b"kB", b"18446744073709551615 kB", b""] {
            assert_eq!(amount(wrong), None, "{}", wrong.escape_ascii());
        }
    }
}
