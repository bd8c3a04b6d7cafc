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
        record.push(field);
        match chars.next().expect("the last line ends") {
            '\n' => records.push(std::mem::take(&mut record)),
            c => assert_eq!(c, delimiter),
        }
    }
    assert!(record.is_empty(), "the last line ends");
    records
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
