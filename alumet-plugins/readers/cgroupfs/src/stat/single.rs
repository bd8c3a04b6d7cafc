//! Files of one number, such as `memory.current`, `pids.max` and `memory.limit_in_bytes`.

use alumet_reader_kernel_file::fields::number;

use crate::ParseError;

/// The bound that is none: `max` in version 2, a number beyond every machine in version 1.
pub const UNLIMITED: u64 = u64::MAX;

/// From here on a limit of version 1 means none: `i64::MAX` rounded down to pages, of which the largest have 64 KiB
/// (`PAGE_COUNTER_MAX` in the kernel).
const V1_UNLIMITED: u64 = i64::MAX as u64 & !0xffff;

/// Parses a file of one number.
///
/// # Errors
/// When there is anything but one number and the end of its line.
pub fn parse(bytes: &[u8]) -> Result<u64, ParseError> {
    let line = bytes.strip_suffix(b"\n");
    line.and_then(number)
        .ok_or(ParseError::whole("one number is expected"))
}

/// Parses a limit of version 2; [`UNLIMITED`] for `max`.
///
/// # Errors
/// When there is neither `max` nor one number.
pub fn parse_limit(bytes: &[u8]) -> Result<u64, ParseError> {
    if bytes == b"max\n" {
        return Ok(UNLIMITED);
    }
    parse(bytes).map_err(|_| ParseError::whole("`max` or one number is expected"))
}

/// Parses a limit of version 1 in bytes.
///
/// # Errors
/// When there is not one number.
pub fn parse_v1_limit(bytes: &[u8]) -> Result<u64, ParseError> {
    parse(bytes).map(|bound| if bound >= V1_UNLIMITED { UNLIMITED } else { bound })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_max_or_a_number() {
        assert_eq!(parse_limit(b"max\n"), Ok(UNLIMITED));
        assert_eq!(parse_limit(b"0\n"), Ok(0));
        for wrong in ["", "max", "maximum\n", "-1\n", "1 2\n", "1", "\n"] {
            assert!(parse_limit(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_huge_numbers_of_version_1_mean_unlimited_whatever_the_page_size() {
        for unlimited in [
            "9223372036854771712\n",
            "9223372036854710272\n",
            "18446744073709551615\n",
        ] {
            assert_eq!(parse_v1_limit(unlimited.as_bytes()), Ok(UNLIMITED), "{unlimited}");
        }
        assert_eq!(parse_v1_limit(b"1099511627776\n"), Ok(1 << 40));
    }
}
