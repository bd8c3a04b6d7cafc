//! Lines and blank-separated fields, read as bytes: no allocation, no UTF-8 check.

/// The lines of a file with their numbers from 1, without the line ends; empty ones are left out.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    bytes
        .split(|byte| *byte == b'\n')
        .enumerate()
        .filter(|(_, line)| !line.is_empty())
        .map(|(index, line)| (index + 1, line))
}

/// A cursor over the blank-separated fields of one line.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// A cursor before the first field.
    pub(crate) fn of(line: &'a [u8]) -> Self {
        Self { rest: line }
    }

    /// Whether no field is left.
    pub(crate) fn is_at_end(&mut self) -> bool {
        self.skip_blanks();
        self.rest.is_empty()
    }

    /// The next field, if there is one.
    pub(crate) fn word(&mut self) -> Option<&'a [u8]> {
        self.skip_blanks();
        let end = self
            .rest
            .iter()
            .position(|byte| is_blank(*byte))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    /// Passes over `count` fields; `None` when there are fewer.
    pub(crate) fn skip(&mut self, count: usize) -> Option<()> {
        for _ in 0..count {
            self.word()?;
        }
        Some(())
    }

    /// The next field as a decimal number; `None` when it is missing, not a number or above `u64::MAX`.
    pub(crate) fn number(&mut self) -> Option<u64> {
        self.skip_blanks();
        let (number, rest) = leading_number(self.rest)?;
        self.rest = rest;
        self.rest
            .first()
            .is_none_or(|byte| is_blank(*byte))
            .then_some(number)
    }

    /// The next field as a decimal fraction such as `12.34`.
    pub(crate) fn fraction(&mut self) -> Option<f64> {
        fraction(self.word()?)
    }

    fn skip_blanks(&mut self) {
        while let [byte, rest @ ..] = self.rest
            && is_blank(*byte)
        {
            self.rest = rest;
        }
    }
}

/// The number that the bytes start with, and what follows it.
pub(crate) fn leading_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    let mut rest = bytes;
    while let [byte @ b'0'..=b'9', after @ ..] = rest {
        value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
        rest = after;
    }
    (rest.len() < bytes.len()).then_some((value, rest))
}

/// The bytes as one whole number.
pub(crate) fn number(bytes: &[u8]) -> Option<u64> {
    let (value, rest) = leading_number(bytes)?;
    rest.is_empty().then_some(value)
}

/// The bytes as a decimal fraction: digits, and optionally a point with at most nine digits.
///
/// The digits are read as one integer and divided once, which gives the nearest `f64` as long as the integer is
/// below 2^53.
fn fraction(bytes: &[u8]) -> Option<f64> {
    let (mut digits, rest) = leading_number(bytes)?;
    let decimals = match rest {
        [] => &[],
        [b'.', decimals @ ..] if !decimals.is_empty() && decimals.len() <= 9 => decimals,
        _ => return None,
    };
    let mut divisor = 1_u64;
    for byte in decimals {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        digits = digits.checked_mul(10)?.checked_add(u64::from(digit))?;
        divisor *= 10;
    }
    Some(digits as f64 / divisor as f64)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

/// The bytes without blanks and line ends at either side.
pub(crate) fn trimmed(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_must_end_where_the_field_ends() {
        assert_eq!(Fields::of(b" 12x").number(), None);
        assert_eq!(Fields::of(b"\t12 x").number(), Some(12));
        assert_eq!(Fields::of(b"").number(), None);
        assert_eq!(Fields::of(b"-1").number(), None);
    }

    #[test]
    fn a_number_beyond_64_bits_is_refused() {
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(number(b"18446744073709551616"), None);
    }

    #[test]
    fn a_fraction_needs_digits_on_both_sides_of_its_point() {
        for wrong in ["1.", ".5", "1.2.3", "1.x", "-1.0", "1.0000000001", ""] {
            assert_eq!(fraction(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn empty_lines_are_counted_but_not_given() {
        let found: Vec<_> = lines(b"a\n\nb\n").collect();
        assert_eq!(found, [(1, &b"a"[..]), (3, &b"b"[..])]);
    }

    proptest! {
        #[test]
        fn a_printed_number_is_read_back(value: u64, follower in "[ \t].*|") {
            let text = format!("  {value}{follower}");
            prop_assert_eq!(Fields::of(text.as_bytes()).number(), Some(value));
        }

        #[test]
        fn a_fraction_is_the_nearest_float(whole in 0_u64..1_000_000_000, hundredths in 0_u64..100) {
            let text = format!("{whole}.{hundredths:02}");
            prop_assert_eq!(fraction(text.as_bytes()), text.parse().ok());
        }
    }
}
