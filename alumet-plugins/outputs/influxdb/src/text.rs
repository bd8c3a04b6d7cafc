//! How text is written in line protocol, so that every server reads the same.
//!
//! What the protocol cannot carry everywhere is written as in a URL, `%0A` for a line end, and `%25` for a `%` that
//! would be taken for that: whoever decodes gets each text back as it was.

use std::fmt::Write;

/// Appends the name of a measurement.
pub(crate) fn push_measurement(out: &mut String, name: &str) {
    // A line that begins so is a comment.
    match name.strip_prefix('#') {
        Some(rest) => {
            out.push_str("%23");
            push(out, rest, ", ");
        }
        None => push(out, name, ", "),
    }
}

/// Appends the key or the value of a tag, or the key of a field.
pub(crate) fn push_key(out: &mut String, text: &str) {
    push(out, text, ",= ");
}

/// Appends text as the value of a field.
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c.is_control() || c == '%' && is_escape(rest) {
            push_bytes(out, c);
            continue;
        }
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

fn push(out: &mut String, text: &str, special: &str) {
    // What a backslash before one of these or at the end means, no two servers agree on.
    let is_ambiguous =
        |next: Option<char>| next.is_none_or(|c| matches!(c, '\\' | ',' | '=' | ' ' | '"') || c.is_control());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c.is_control() || c == '\\' && is_ambiguous(rest.chars().next()) || c == '%' && is_escape(rest) {
            push_bytes(out, c);
            continue;
        }
        if special.contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
}

/// Appends the bytes of a character as in a URL.
fn push_bytes(out: &mut String, c: char) {
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        // Text grows without end.
        let _ = write!(out, "%{byte:02X}");
    }
}

/// Whether a `%` before this would be taken for the beginning of a byte.
fn is_escape(rest: &str) -> bool {
    matches!(rest.as_bytes(), [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_text_is_escaped_and_what_no_line_can_hold_is_written_as_in_a_url() {
        for (text, key) in [
            ("plain", "plain"),
            ("a,b=c d", r"a\,b\=c\ d"),
            (r"dev\x2ddisk", r"dev\x2ddisk"),
            (r"a\", "a%5C"),
            (r"a\\b", r"a%5C\b"),
            (r"a\,b", r"a%5C\,b"),
            ("a\nb\u{1b}", "a%0Ab%1B"),
            ("100 %", r"100\ %"),
            ("%0A", "%250A"),
            ("é\"'", "é\"'"),
        ] {
            let mut out = String::new();
            push_key(&mut out, text);
            assert_eq!(out, key, "{text}");
        }
        let mut out = String::new();
        push_measurement(&mut out, "#a=b,c");
        assert_eq!(out, r"%23a=b\,c");
        out.clear();
        push_string(&mut out, "a\"b\\\nc%41");
        assert_eq!(out, r#""a\"b\\%0Ac%2541""#);
    }
}
