//! Lines, fields and numbers, read as bytes: no allocation, no UTF-8 check.

use crate::{ParseError, Parsed};

/// The lines of a file with their numbers from 1, without the line ends; empty ones are left out.
///
/// The kernel ends every line with a line feed. A line without one was cut short, and so may be its last number: it is
/// left out as well.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .enumerate()
        .filter_map(|(index, line)| Some((index + 1, line.strip_suffix(b"\n")?)))
        .filter(|(_, line)| !line.is_empty())
}

/// What [`lines`] leaves out at the end of a file that is not empty and does not end with a line feed.
pub fn cut_line(bytes: &[u8]) -> Option<ParseError> {
    let is_cut = bytes.last().is_some_and(|last| *last != b'\n');
    is_cut.then_some(ParseError::whole("a line feed is expected at the end"))
}

/// Parses each line behind the first `skipped` ones into the next value of a list that is reused from read to read. A line
/// that is not as `expected` is left out.
///
/// # Errors
/// When there are lines and none of them is sound.
pub fn records<T: Default>(
    bytes: &[u8],
    skipped: usize,
    expected: &'static str,
    out: &mut Vec<T>,
    parse: impl Fn(&[u8], &mut T) -> Option<()>,
) -> Parsed {
    let (mut count, mut odd) = (0, cut_line(bytes));
    for (number, line) in lines(bytes).skip(skipped) {
        if count == out.len() {
            out.push(T::default());
        }
        match parse(line, &mut out[count]) {
            Some(()) => count += 1,
            None => odd = odd.or(Some(ParseError::at(number, expected))),
        }
    }
    out.truncate(count);
    match odd {
        Some(odd) if count == 0 => Err(odd),
        odd => Ok(odd),
    }
}

/// A cursor over the blank-separated fields of one line; as an iterator it gives them as they are.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// A cursor before the first field.
    pub const fn of(line: &'a [u8]) -> Self {
        Self { rest: line }
    }

    /// What is behind the cursor.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next field as a decimal number; `None` when it is missing, not a number or above `u64::MAX`.
    #[inline]
    pub fn number(&mut self) -> Option<u64> {
        self.skip_blanks();
        let (number, rest) = leading_number(self.rest)?;
        self.rest = rest;
        self.rest
            .first()
            .is_none_or(|byte| is_blank(*byte))
            .then_some(number)
    }

    /// The next field as a decimal fraction such as `12.34`; `None` when it is missing, negative or not finite.
    pub fn fraction(&mut self) -> Option<f64> {
        let value: f64 = str::from_utf8(self.next()?).ok()?.parse().ok()?;
        (value.is_finite() && value.is_sign_positive()).then_some(value)
    }

    #[inline]
    fn skip_blanks(&mut self) {
        while let [byte, rest @ ..] = self.rest
            && is_blank(*byte)
        {
            self.rest = rest;
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.skip_blanks();
        let end = self
            .rest
            .iter()
            .position(|byte| is_blank(*byte))
            .unwrap_or(self.rest.len());
        let (field, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!field.is_empty()).then_some(field)
    }
}

/// What follows `key` and `separator`, up to the end of the file, if the line that starts at `offset` begins with them.
#[inline]
pub fn entry_at<'a>(bytes: &'a [u8], offset: usize, key: &str, separator: u8) -> Option<&'a [u8]> {
    if offset > 0 && bytes.get(offset - 1) != Some(&b'\n') {
        return None;
    }
    match bytes.get(offset..)?.strip_prefix(key.as_bytes())? {
        [first, rest @ ..] if *first == separator => Some(rest),
        _ => None,
    }
}

/// Looks for such a line at `offset`, which starts a line, and behind it; gives where it starts, too.
pub fn find_entry<'a>(
    bytes: &'a [u8],
    mut offset: usize,
    key: &str,
    separator: u8,
) -> Option<(usize, &'a [u8])> {
    while offset < bytes.len() {
        if let Some(rest) = entry_at(bytes, offset, key, separator) {
            return Some((offset, rest));
        }
        offset += bytes[offset..].iter().position(|byte| *byte == b'\n')? + 1;
    }
    None
}

/// The number that the bytes start with, and what follows it; `None` without a digit or above `u64::MAX`.
#[inline]
pub fn leading_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
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
pub fn number(bytes: &[u8]) -> Option<u64> {
    let (value, rest) = leading_number(bytes)?;
    rest.is_empty().then_some(value)
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
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
        assert_eq!(number(b"184467440737095516150"), None);
        assert_eq!(number(b""), None);
        assert_eq!(number(b"1x"), None);
    }

    #[test]
    fn a_fraction_is_finite_and_not_negative() {
        for wrong in ["1.2.3", "1.x", "-1.0", "-0.0", "NaN", "inf", "1e999", ".", ""] {
            assert_eq!(Fields::of(wrong.as_bytes()).fraction(), None, "{wrong}");
        }
        assert_eq!(Fields::of(b" 7 x").fraction(), Some(7.0));
    }

    #[test]
    fn empty_lines_and_one_that_was_cut_short_are_counted_but_not_given() {
        let found: Vec<_> = lines(b"a\n\nb\nc").collect();
        assert_eq!(found, [(1, &b"a"[..]), (3, &b"b"[..])]);
    }

    #[test]
    fn fields_are_separated_by_any_number_of_blanks() {
        let fields: Vec<_> = Fields::of(b"  a \t b ").collect();
        assert_eq!(fields, [b"a", b"b"]);
        let mut fields = Fields::of(b"a b");
        assert_eq!((fields.nth(2), fields.next()), (None, None));
    }

    #[test]
    fn an_entry_is_found_only_at_the_start_of_a_line_and_with_its_whole_name() {
        let bytes = b"ab: 1\nb: 2\nbc: 3\n";
        assert_eq!(entry_at(bytes, 1, "b", b':'), None);
        assert_eq!(entry_at(bytes, 6, "b", b':'), Some(&b" 2\nbc: 3\n"[..]));
        assert_eq!(find_entry(bytes, 0, "b", b':').map(|found| found.0), Some(6));
        assert_eq!(find_entry(bytes, 0, "bc", b':').map(|found| found.0), Some(11));
        assert_eq!(find_entry(bytes, 11, "b", b':'), None);
        assert_eq!(find_entry(b"x", 0, "b", b':'), None);
    }

    proptest! {
        #[test]
        fn a_printed_number_is_read_back(value: u64, zeros in 0_usize..4, follower in "[ \t].*|") {
            let text = format!("  {}{value}{follower}", "0".repeat(zeros));
            prop_assert_eq!(Fields::of(text.as_bytes()).number(), Some(value));
        }

        #[test]
        fn a_fraction_is_the_nearest_float(whole in 0_u64..1_000_000_000, hundredths in 0_u64..100) {
            let text = format!("{whole}.{hundredths:02}");
            prop_assert_eq!(Fields::of(text.as_bytes()).fraction(), text.parse().ok());
        }

        #[test]
        fn any_place_in_any_bytes_can_be_looked_at(bytes: Vec<u8>, offset in 0_usize..64, key in "[a\n]{0,2}") {
            let _ = entry_at(&bytes, offset, &key, b':');
            let _ = find_entry(&bytes, offset, &key, b':');
        }
    }
}
