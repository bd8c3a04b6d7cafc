//! A reader of RFC 4180 that shares no code with the writer.

/// All records of `text`; panics at what the grammar does not allow.
pub(crate) fn records(text: &str, delimiter: char) -> Vec<Vec<String>> {
    let mut chars = text.chars().peekable();
    let (mut records, mut record) = (Vec::new(), Vec::new());
    while chars.peek().is_some() {
        let mut field = String::new();
        if chars.next_if_eq(&'"').is_some() {
            loop {
                match chars.next().expect("a quoted field ends") {
                    '"' if chars.next_if_eq(&'"').is_some() => field.push('"'),
                    '"' => break,
                    c => field.push(c),
                }
            }
        } else {
            while let Some(c) = chars.next_if(|c| *c != delimiter && *c != '\n') {
                assert!(c != '"' && c != '\r', "{c:?} in a field without quotes");
                field.push(c);
            }
        }
        record.push(unescaped(&field));
        match chars.next().expect("the last line ends") {
            '\n' => records.push(std::mem::take(&mut record)),
            c => assert_eq!(c, delimiter),
        }
    }
    assert!(record.is_empty(), "the last line ends");
    records
}

/// The text with `%1B` as what it stands for.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        bytes.extend(rest[..at].bytes());
        let digits = rest
            .get(at + 1..at + 3)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match digits {
            Some(digits) => bytes.push(u8::from_str_radix(digits, 16).unwrap()),
            None => bytes.push(b'%'),
        }
        rest = &rest[at + digits.map_or(1, |_| 3)..];
    }
    bytes.extend(rest.bytes());
    String::from_utf8(bytes).unwrap()
}

/// The pairs of a field of late attributes.
pub(crate) fn pairs(text: &str, delimiter: char) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    if text.is_empty() {
        return pairs;
    }
    let (mut key, mut current) = (None, String::new());
    let mut chars = text.chars();
    loop {
        match chars.next() {
            Some('\\') => current.push(chars.next().expect("a backslash escapes something")),
            Some('=') => assert!(
                key.replace(std::mem::take(&mut current)).is_none(),
                "one = per pair"
            ),
            Some(c) if c != delimiter => current.push(c),
            end => {
                pairs.push((key.take().expect("a pair has a ="), std::mem::take(&mut current)));
                if end.is_none() {
                    return pairs;
                }
            }
        }
    }
}
