//! Flat keyed files: a `key value` pair on each line.
//!
//! The kernel ends every line with a line feed. A line without one was cut short, and so may be its number: it has no
//! value.

use alumet_reader_kernel_file::fields::leading_number;

use crate::ParseError;

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

impl Entry<'_> {
    /// Why it has no value.
    pub(crate) fn odd(&self) -> Option<ParseError> {
        self.value
            .is_none()
            .then_some(ParseError::at(self.line, "a number is expected after the key"))
    }
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
        // The blank and the line feed are the only bytes so low; one comparison is faster than two.
        let end = self.rest.iter().position(|byte| *byte <= b' ');
        let (key, after) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        let value = match after {
            [b' ', text @ ..] => leading_number(text),
            _ => None,
        };
        let value = if let Some((value, [b'\n', next @ ..])) = value {
            self.rest = next;
            Some(value)
        } else {
            let feed = after.iter().position(|byte| *byte == b'\n');
            self.rest = feed.map_or(&[], |feed| &after[feed + 1..]);
            None
        };
        Some(Entry {
            line: self.line,
            key,
            value,
        })
    }
}

#[cfg(test)]
mod tests {
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
}
