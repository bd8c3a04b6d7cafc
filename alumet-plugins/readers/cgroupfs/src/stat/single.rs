//! Files of one number, such as `memory.current`, `pids.max` and `memory.limit_in_bytes`.

use alumet_reader_kernel_file::fields::number;

use crate::ParseError;

/// A bound that may be absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Limit {
    /// No bound: `max` in version 2, a number beyond every machine in version 1.
    #[default]
    Unlimited,
    /// The bound: bytes or a count, as the file has it.
    At(u64),
}

impl Limit {
    /// The bound, if there is one.
    pub fn bound(self) -> Option<u64> {
        match self {
            Self::Unlimited => None,
            Self::At(bound) => Some(bound),
        }
    }
}

/// From here on a limit of version 1 means none: `i64::MAX` rounded down to pages, of which the largest have 64 KiB
/// (`PAGE_COUNTER_MAX` in the kernel).
const V1_UNLIMITED: u64 = i64::MAX as u64 & !0xffff;

/// Parses a file of one number.
///
/// # Errors
/// When there is anything but one number and the end of its line.
pub fn parse(bytes: &[u8], out: &mut u64) -> Result<(), ParseError> {
    *out = bytes
        .strip_suffix(b"\n")
        .and_then(number)
        .ok_or(ParseError::whole("one number is expected"))?;
    Ok(())
}

/// Parses a limit of version 2.
///
/// # Errors
/// When there is neither `max` nor one number.
pub fn parse_limit(bytes: &[u8], out: &mut Limit) -> Result<(), ParseError> {
    if bytes == b"max\n" {
        *out = Limit::Unlimited;
        return Ok(());
    }
    let mut bound = 0;
    parse(bytes, &mut bound).map_err(|_| ParseError::whole("`max` or one number is expected"))?;
    *out = Limit::At(bound);
    Ok(())
}

/// Parses a limit of version 1 in bytes; `pids.max` there has the form of version 2.
///
/// # Errors
/// When there is not one number.
pub fn parse_v1_limit(bytes: &[u8], out: &mut Limit) -> Result<(), ParseError> {
    let mut bound = 0;
    parse(bytes, &mut bound)?;
    *out = if bound >= V1_UNLIMITED {
        Limit::Unlimited
    } else {
        Limit::At(bound)
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_max_or_a_number() {
        let mut limit = Limit::At(1);
        parse_limit(b"max\n", &mut limit).unwrap();
        assert_eq!(limit.bound(), None);
        parse_limit(b"0\n", &mut limit).unwrap();
        assert_eq!(limit.bound(), Some(0));
        for wrong in ["", "max", "maximum\n", "-1\n", "1 2\n", "1", "\n"] {
            assert!(parse_limit(wrong.as_bytes(), &mut limit).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_huge_numbers_of_version_1_mean_unlimited_whatever_the_page_size() {
        let mut limit = Limit::At(1);
        for unlimited in [
            "9223372036854771712\n",
            "9223372036854710272\n",
            "18446744073709551615\n",
        ] {
            parse_v1_limit(unlimited.as_bytes(), &mut limit).unwrap();
            assert_eq!(limit, Limit::Unlimited, "{unlimited}");
        }
        parse_v1_limit(b"1099511627776\n", &mut limit).unwrap();
        assert_eq!(limit, Limit::At(1 << 40));
    }
}
