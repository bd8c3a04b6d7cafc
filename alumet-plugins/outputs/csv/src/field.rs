//! How one field is written: the quoting of RFC 4180, characters that harm a reader, and pairs inside a field.

use std::borrow::Cow;
use std::fmt::Write;

use alumet_core::AttributeValue;
use serde_json::Value as Json;

use crate::format::Format;

/// How text becomes a field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    pub(crate) delimiter: u8,
    /// Whether a spreadsheet must find no formula.
    pub(crate) spreadsheet_safe: bool,
    /// What stays although it may be a control character.
    pub(crate) kept: Option<char>,
}

impl Form {
    /// As the format says.
    pub(crate) const fn of(format: Format) -> Self {
        Self {
            delimiter: format.delimiter,
            spreadsheet_safe: format.spreadsheet_safe,
            kept: None,
        }
    }

    /// Appends `text` as one field.
    ///
    /// It is quoted when it holds the delimiter, a quote, CR or LF (RFC 4180, section 2, rules 6 and 7); a quote
    /// inside is doubled.
    pub(crate) fn push(self, out: &mut Vec<u8>, text: &str) {
        let text = self.harmless(text);
        let bytes = text.as_bytes();
        let special = |byte: &u8| *byte == self.delimiter || matches!(byte, b'"' | b'\r' | b'\n');
        if !bytes.iter().any(special) {
            out.extend_from_slice(bytes);
            return;
        }
        out.push(b'"');
        for &byte in bytes {
            if byte == b'"' {
                out.push(b'"');
            }
            out.push(byte);
        }
        out.push(b'"');
    }

    /// The text with the bytes of harmful characters as `%1B`, and with `%25` for a `%` that would be read as one of these.
    fn harmless(self, text: &str) -> Cow<'_, str> {
        let is_formula = self.spreadsheet_safe && is_formula(text);
        let harms = |at: usize, c: char| {
            at == 0 && is_formula
                || is_unseen(c) && self.kept != Some(c)
                || c == '%' && escaped(&text.as_bytes()[at..]).is_some()
        };
        if !text.char_indices().any(|(at, c)| harms(at, c)) {
            return Cow::Borrowed(text);
        }
        let mut safe = String::new();
        for (at, c) in text.char_indices() {
            if harms(at, c) {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(safe, "%{byte:02X}");
                }
            } else {
                safe.push(c);
            }
        }
        Cow::Owned(safe)
    }
}

/// Whether a spreadsheet computes what is in a cell instead of showing it. Numbers and a dash alone are what they are.
fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
        && text.chars().nth(1).is_some()
        && text.parse::<f64>().is_err()
}

/// Control characters command a terminal or end a text early; the others end a line for some readers (U+2028, U+2029) or
/// change the order in which text is shown.
fn is_unseen(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The byte that `%1B` at the beginning of the text stands for.
fn escaped(text: &[u8]) -> Option<u8> {
    let [b'%', high @ (b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F'), low, ..] = text else {
        return None;
    };
    u8::from_str_radix(str::from_utf8(&[*high, *low]).ok()?, 16).ok()
}

/// What was there before [`Form::harmless`].
fn unescaped(text: String) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let found = escaped(rest);
        bytes.push(found.unwrap_or(*first));
        rest = if found.is_some() { &after[2..] } else { after };
    }
    // Other text may have been written before there were escapes.
    String::from_utf8(bytes).unwrap_or(text)
}

/// The text of a whole field; none if it holds a quote that [`Form::push`] would have doubled, or is not UTF-8.
pub(crate) fn text_of(field: &[u8]) -> Option<String> {
    let text = str::from_utf8(field).ok()?;
    let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let Some(quoted) = quoted else {
        return (!text.contains('"')).then(|| unescaped(text.to_owned()));
    };
    let is_whole = !quoted.replace("\"\"", "").contains('"');
    is_whole.then(|| unescaped(quoted.replace("\"\"", "\"")))
}

/// Appends `key=value` to the text of the late attributes, after a delimiter unless it is the first pair.
///
/// A backslash stands before each delimiter, `=` and backslash that belongs to a key or a value.
pub(crate) fn push_pair(out: &mut String, delimiter: char, key: &str, value: &str) {
    if !out.is_empty() {
        out.push(delimiter);
    }
    push_escaped(out, delimiter, key);
    out.push('=');
    push_escaped(out, delimiter, value);
}

fn push_escaped(out: &mut String, delimiter: char, text: &str) {
    for c in text.chars() {
        if c == delimiter || matches!(c, '=' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
}

/// The value of an attribute as JSON; numbers that JSON does not have are text.
pub(crate) fn json(value: &AttributeValue) -> Json {
    match value {
        AttributeValue::U64(value) => (*value).into(),
        AttributeValue::I64(value) => (*value).into(),
        AttributeValue::F64(number) if number.is_finite() => (*number).into(),
        AttributeValue::F64(_) | AttributeValue::Text(_) => value.to_string().into(),
        AttributeValue::Bool(value) => (*value).into(),
        AttributeValue::ListU64(values) => values.to_vec().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(spreadsheet_safe: bool, text: &str) -> String {
        let form = Form {
            delimiter: b';',
            spreadsheet_safe,
            kept: None,
        };
        let mut out = Vec::new();
        form.push(&mut out, text);
        assert_eq!(text_of(&out).as_deref(), Some(text), "it is read back as it was");
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_what_would_be_misread_is_quoted() {
        for plain in [
            "", "a", "1,2,3", "é ", "'a'", "100 %", "%", "%1", "%+1", "-.slice", "=a",
        ] {
            assert_eq!(field(false, plain), plain);
        }
        for (text, quoted) in [("a;b", "\"a;b\""), ("\"", "\"\"\"\"")] {
            assert_eq!(field(false, text), quoted);
        }
    }

    #[test]
    fn what_a_reader_does_not_see_is_escaped() {
        for (text, safe) in [
            ("a\0b", "a%00b"),
            ("\x1b[31m", "%1B[31m"),
            ("a\r\n\tb", "a%0D%0A%09b"),
            ("\x7f\u{9b}", "%7F%C2%9B"),
            ("\u{2028}\u{202e}\u{2066}", "%E2%80%A8%E2%80%AE%E2%81%A6"),
            ("%1B", "%251B"),
            ("%%aF;", "\"%%25aF;\""),
        ] {
            assert_eq!(field(false, text), safe);
        }
    }

    #[test]
    fn a_spreadsheet_finds_no_formula_if_that_is_asked_for() {
        for (text, safe) in [
            ("=cmd|' /C calc'!A0", "%3Dcmd|' /C calc'!A0"),
            ("@SUM(A1)", "%40SUM(A1)"),
            ("-2+3", "%2D2+3"),
            ("+a", "%2Ba"),
            ("＝a", "%EF%BC%9Da"),
            ("\t=a", "%09=a"),
        ] {
            assert_eq!(field(true, text), safe);
        }
        for number in ["-1", "+1.5e-3", "-", "-inf", "a=b", "1,2"] {
            assert_eq!(field(true, number), number);
        }
    }

    #[test]
    fn pairs_are_escaped_so_that_they_split_again() {
        let mut out = String::new();
        push_pair(&mut out, ',', "ids", "1,2");
        push_pair(&mut out, ',', "a=b", "c\\");
        assert_eq!(out, r"ids=1\,2,a\=b=c\\");
    }
}
