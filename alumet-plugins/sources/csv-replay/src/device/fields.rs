//! The fields of a row, and the numbers in them.

use csv_core::{ReadRecordResult, Reader};

/// The fields of one row.
#[derive(Debug)]
pub(crate) struct Fields {
    reader: Reader,
    /// All fields, one after the other.
    text: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
    count: usize,
    row: Vec<u8>,
}

impl Fields {
    /// No fields yet.
    pub(crate) fn new() -> Self {
        Self {
            // Its default has no tables and finds nothing.
            reader: Reader::new(),
            text: Vec::new(),
            ends: Vec::new(),
            count: 0,
            row: Vec::new(),
        }
    }

    /// Takes a row apart, of which the line has no end.
    ///
    /// # Errors
    /// What is wrong with it. A quote that is not closed spoils this line, and not those that follow.
    pub(crate) fn split(&mut self, line: &[u8]) -> Result<(), &'static str> {
        if std::str::from_utf8(line).is_err() {
            return Err("it is not in UTF-8");
        }
        self.row.clear();
        self.row.extend_from_slice(line);
        self.row.push(b'\n');
        self.text.resize(self.row.len(), 0);
        // Each byte begins at most one field.
        self.ends.resize(self.row.len() + 1, 0);
        self.reader.reset();
        let (result, read, _, count) = self.reader.read_record(&self.row, &mut self.text, &mut self.ends);
        self.count = count;
        match result {
            ReadRecordResult::Record if read == self.row.len() => Ok(()),
            ReadRecordResult::Record => Err("there is a carriage return in it"),
            _ => Err("a quote is not closed"),
        }
    }

    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// The field at `index`, without space around it; empty if there is none.
    pub(crate) fn get(&self, index: usize) -> &str {
        let end_of = |index: usize| self.ends[..self.count].get(index).copied();
        let begin = index.checked_sub(1).map_or(Some(0), end_of);
        let range = begin.zip(end_of(index)).map(|(begin, end)| begin..end);
        let field = range.and_then(|range| self.text.get(range));
        // Of text in UTF-8, what is between commas is, too.
        std::str::from_utf8(field.unwrap_or_default())
            .unwrap_or_default()
            .trim()
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
