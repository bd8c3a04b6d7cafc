//! How one field is written: the quoting of RFC 4180, and pairs inside a field.

/// Appends `text` as one field.
///
/// It is quoted when it holds the delimiter, a quote, CR or LF (RFC 4180, section 2, rules 6 and 7); a quote
/// inside is doubled.
pub(crate) fn push_field(out: &mut Vec<u8>, delimiter: u8, text: &str) {
    let bytes = text.as_bytes();
    let special = |byte: &u8| *byte == delimiter || matches!(byte, b'"' | b'\r' | b'\n');
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

/// The text of a whole field; none if it holds a quote that [`push_field`] would have doubled, or is not UTF-8.
pub(crate) fn text_of(field: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(field).ok()?;
    let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let Some(quoted) = quoted else {
        return (!text.contains('"')).then(|| text.to_owned());
    };
    let is_whole = !quoted.replace("\"\"", "").contains('"');
    is_whole.then(|| quoted.replace("\"\"", "\""))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn field(text: &str) -> String {
        let mut out = Vec::new();
        push_field(&mut out, b';', text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_what_would_be_misread_is_quoted() {
        for plain in ["", "a", "1,2,3", "é ", "'a'", "\t"] {
            assert_eq!(field(plain), plain);
        }
        for (text, quoted) in [
            ("a;b", "\"a;b\""),
            ("\"", "\"\"\"\""),
            ("a\nb", "\"a\nb\""),
            ("\r", "\"\r\""),
        ] {
            assert_eq!(field(text), quoted);
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
