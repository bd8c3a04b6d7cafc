//! The fields of a row, and the numbers in them.

use memchr::{memchr, memchr2};

/// The fields of one row.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    /// All fields, one after the other.
    text: String,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl Fields {
    /// No fields yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Takes a row apart as RFC 4180 says, of which the line has no end. What follows a quoted text belongs to its field, and a quote
    /// that does not begin a field is one of its characters.
    ///
    /// # Errors
    /// What is wrong with it. A quote that is not closed spoils this line, and not those that follow.
    pub(crate) fn split(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let line = std::str::from_utf8(line).map_err(|_| "it is not in UTF-8")?;
        self.text.clear();
        self.ends.clear();
        // Some programs begin a file with the mark of its byte order.
        let mut rest = line.strip_prefix('\u{feff}').unwrap_or(line);
        loop {
            if let Some(quoted) = rest.strip_prefix('"') {
                rest = self.take_quoted(quoted).ok_or("a quote is not closed")?;
            }
            let end = memchr2(b',', b'\r', rest.as_bytes()).unwrap_or(rest.len());
            self.text.push_str(&rest[..end]);
            self.ends.push(self.text.len());
            match rest.as_bytes().get(end) {
                None => return Ok(()),
                Some(b',') => rest = &rest[end + 1..],
                Some(_) => return Err("there is a carriage return in it"),
            }
        }
    }

    /// Takes what is up to the closing quote; gives what is behind that, if there is one.
    fn take_quoted<'a>(&mut self, mut rest: &'a str) -> Option<&'a str> {
        loop {
            let end = memchr(b'"', rest.as_bytes())?;
            let (text, behind) = (&rest[..end], &rest[end + 1..]);
            self.text.push_str(text);
            // Two of them stand for one.
            match behind.strip_prefix('"') {
                None => return Some(behind),
                Some(more) => rest = more,
            }
            self.text.push('"');
        }
    }

    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.ends.len()
    }

    /// The field at `index`, without space around it; empty if there is none.
    pub(crate) fn get(&self, index: usize) -> &str {
        let end_of = |index: usize| self.ends.get(index).copied();
        let begin = index.checked_sub(1).map_or(Some(0), end_of);
        let range = begin.zip(end_of(index)).map(|(begin, end)| begin..end);
        let field = range.and_then(|range| self.text.get(range));
        field.unwrap_or_default().trim()
    }
}

/// The number that all of a text is: a decimal number, or a truth value as 1 or 0.
pub(crate) fn number(text: &str) -> Option<f64> {
    let is = |words: [&str; 2]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(["true", "yes"]) {
        return Some(1.0);
    }
    if is(["false", "no"]) {
        return Some(0.0);
    }
    // Not `inf` and `nan`.
    let is_decimal = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    let number: f64 = text.parse().ok()?;
    (text.bytes().all(is_decimal) && number.is_finite()).then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(line: &[u8]) -> Result<Vec<String>, &'static str> {
        let mut fields = Fields::new();
        // What came before leaves nothing behind.
        let _ = fields.split(b"a,\"b");
        fields.split(line)?;
        Ok((0..fields.len())
            .map(|index| fields.get(index).to_owned())
            .collect())
    }

    #[test]
    fn quotes_hold_commas_and_quotes() {
        let line = br#""a,b", c ,"d=""e"",f",,"#;
        assert_eq!(split(line).unwrap(), ["a,b", "c", "d=\"e\",f", "", ""]);
        assert_eq!(split(b"\"a\"b\"\",c\"d,\"\"").unwrap(), ["ab\"\"", "c\"d", ""]);
        assert_eq!(split(b"\"a\r\",b").unwrap(), ["a", "b"]);
    }

    #[test]
    fn a_mark_of_the_byte_order_is_no_part_of_the_first_field() {
        assert_eq!(split("\u{feff}\"a\",b".as_bytes()).unwrap(), ["a", "b"]);
    }

    #[test]
    fn what_is_broken_is_said() {
        assert_eq!(split(b"a,\"b"), Err("a quote is not closed"));
        assert_eq!(split(b"a\rb"), Err("there is a carriage return in it"));
        assert_eq!(split(b"a,\xff"), Err("it is not in UTF-8"));
    }

    #[test]
    fn a_number_is_all_of_its_text() {
        for (text, expected) in [
            ("85.5", Some(85.5)),
            ("-1e3", Some(-1000.0)),
            ("+.5", Some(0.5)),
            ("True", Some(1.0)),
            ("NO", Some(0.0)),
            ("12abc", None),
            ("0x10", None),
            ("1,5", None),
            ("nan", None),
            ("inf", None),
            ("1e999", None),
            ("", None),
            ("e", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_taken_or_refused(line in "[a\",é\r ]{0,12}", bytes: Vec<u8>) {
            let _ = split(line.as_bytes());
            let _ = split(&bytes);
        }

        #[test]
        fn what_is_quoted_comes_back(fields in proptest::collection::vec("[a\",é]{0,4}", 1..5)) {
            let quoted: Vec<_> = fields.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect();
            prop_assert_eq!(split(quoted.join(",").as_bytes()).unwrap(), fields);
        }
    }
}
