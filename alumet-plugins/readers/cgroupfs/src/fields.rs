//! Lines, keys and numbers, read as bytes: no allocation, no UTF-8 check.
//!
//! The kernel ends every line with a line feed. A line without one was cut short, and so may be its number: none of
//! these functions accepts it.

/// The complete lines with their numbers from 1, without the line ends.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .filter_map(|line| line.strip_suffix(b"\n"))
        .enumerate()
        .map(|(index, line)| (index + 1, line))
}

/// The words of a line.
pub(crate) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b' ').filter(|word| !word.is_empty())
}

/// The `key value` lines of a file, in one pass over its bytes.
pub(crate) struct Keyed<'a> {
    rest: &'a [u8],
    line: usize,
}

/// One line of a flat keyed file.
pub(crate) struct Entry<'a> {
    /// The number of the line, from 1.
    pub(crate) line: usize,
    /// What stands before the first blank or control character.
    pub(crate) key: &'a [u8],
    /// The number after it; `None` when there is none, or when the line was cut short.
    pub(crate) value: Option<u64>,
}

impl<'a> Keyed<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, line: 0 }
    }
}

impl<'a> Iterator for Keyed<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        self.line += 1;
        let line = self.line;
        // The blank and the line feed are the only bytes so low; one comparison is faster than two.
        let end = self.rest.iter().position(|byte| *byte <= b' ');
        let Some(end) = end else {
            let key = std::mem::take(&mut self.rest);
            return Some(Entry {
                line,
                key,
                value: None,
            });
        };
        let (key, after) = self.rest.split_at(end);
        if let Some((value, [b'\n', next @ ..])) = leading_number(&after[1..])
            && after[0] == b' '
        {
            self.rest = next;
            return Some(Entry {
                line,
                key,
                value: Some(value),
            });
        }
        self.rest = match after.iter().position(|byte| *byte == b'\n') {
            Some(feed) => &after[feed + 1..],
            None => &[],
        };
        Some(Entry {
            line,
            key,
            value: None,
        })
    }
}

/// The number that the bytes start with, and what follows it; `None` without a digit or above `u64::MAX`.
#[inline]
pub(crate) fn leading_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    /// So many digits cannot overflow.
    const SAFE_DIGITS: usize = 19;
    let mut value = 0_u64;
    let mut rest = bytes;
    while let [byte @ b'0'..=b'9', after @ ..] = rest {
        let digit = u64::from(byte - b'0');
        value = if bytes.len() - after.len() <= SAFE_DIGITS {
            value * 10 + digit
        } else {
            value.checked_mul(10)?.checked_add(digit)?
        };
        rest = after;
    }
    (rest.len() < bytes.len()).then_some((value, rest))
}

/// The bytes as one whole number.
pub(crate) fn number(bytes: &[u8]) -> Option<u64> {
    let (value, rest) = leading_number(bytes)?;
    rest.is_empty().then_some(value)
}

/// The bytes as a decimal fraction: digits, a point and at most nine digits. Exact as long as all the digits together
/// are below 2^53, because the one division rounds correctly.
pub(crate) fn fraction(bytes: &[u8]) -> Option<f64> {
    let (whole, rest) = leading_number(bytes)?;
    let decimals = match rest {
        [] => return Some(whole as f64),
        [b'.', decimals @ ..] if (1..=9).contains(&decimals.len()) => decimals,
        _ => return None,
    };
    let divisor = 10_u64.pow(decimals.len() as u32);
    let digits = whole.checked_mul(divisor)?.checked_add(number(decimals)?)?;
    Some(digits as f64 / divisor as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries(bytes: &[u8]) -> Vec<(usize, &[u8], Option<u64>)> {
        Keyed::of(bytes)
            .map(|entry| (entry.line, entry.key, entry.value))
            .collect()
    }

    #[test]
    fn a_line_without_its_end_has_no_value() {
        assert_eq!(entries(b"a 1\nb 23"), [(1, &b"a"[..], Some(1)), (2, b"b", None)]);
        assert_eq!(entries(b"a"), [(1, &b"a"[..], None)]);
        assert_eq!(lines(b"a\nb").count(), 1);
    }

    #[test]
    fn a_malformed_line_does_not_hide_the_next_one() {
        let found = entries(b"a x\n\nb 1 2\nc\nd 4\n");
        let expected: [(usize, &[u8], Option<u64>); 5] = [
            (1, b"a", None),
            (2, b"", None),
            (3, b"b", None),
            (4, b"c", None),
            (5, b"d", Some(4)),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_number_beyond_64_bits_is_refused() {
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(number(b"18446744073709551616"), None);
        assert_eq!(number(b"184467440737095516150"), None);
        assert_eq!(number(b""), None);
        assert_eq!(number(b"1x"), None);
    }

    #[test]
    fn a_fraction_needs_digits_on_both_sides_of_its_point() {
        for wrong in ["1.", ".5", "1.2.3", "1.x", "-1.0", "1.0000000001", ""] {
            assert_eq!(fraction(wrong.as_bytes()), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_printed_number_is_read_back(value: u64, zeros in 0_usize..4) {
            let text = format!("{}{value}", "0".repeat(zeros));
            prop_assert_eq!(number(text.as_bytes()), Some(value));
        }

        #[test]
        fn a_fraction_is_the_nearest_float(whole in 0_u64..1_000_000_000, hundredths in 0_u64..100) {
            let text = format!("{whole}.{hundredths:02}");
            prop_assert_eq!(fraction(text.as_bytes()), text.parse().ok());
        }
    }
}
