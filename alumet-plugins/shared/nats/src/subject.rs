//! Subjects.

use std::fmt::Write;

use alumet_core::plugin::Faults;

/// A text as one part of a subject. What NATS does not allow there is written as `%` and two hexadecimal digits for each byte:
/// `.`, `*`, `>`, white space, control characters, whatever is not ASCII, and `%` itself. An empty text is `%`.
pub fn token(text: &str) -> String {
    if text.is_empty() {
        return "%".to_owned();
    }
    let mut token = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !b".*>%".contains(&byte) {
            token.push(char::from(byte));
        } else {
            // Writing to memory cannot fail.
            let _ = write!(token, "%{byte:02X}");
        }
    }
    token
}

/// Refuses what cannot begin a subject; `path` is its key.
pub fn check_prefix(prefix: &str, path: &str, faults: &mut Faults) {
    if prefix
        .split('.')
        .any(|part| part.is_empty() || token(part) != part)
    {
        let message =
            "write words without spaces, `*`, `>` and `%`, with dots between them, such as \"telemetry\"";
        faults.add(path, message);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_nats_does_not_allow_in_a_part_is_escaped_and_the_rest_stays() {
        for (text, expected) in [
            ("GPU-5fd4f087-86f3", "GPU-5fd4f087-86f3"),
            ("node-1.example.org", "node-1%2Eexample%2Eorg"),
            ("00000000:65:00.0", "00000000:65:00%2E0"),
            ("a b\t*>%", "a%20b%09%2A%3E%25"),
            ("é", "%C3%A9"),
            ("", "%"),
        ] {
            assert_eq!(token(text), expected);
        }
    }

    #[test]
    fn a_prefix_is_words_with_dots_between() {
        for (prefix, is_right) in [
            ("telemetry", true),
            ("a.b-c", true),
            ("", false),
            ("a.", false),
            ("a.>", false),
        ] {
            let mut faults = Faults::default();
            check_prefix(prefix, "subject_prefix", &mut faults);
            assert_eq!(faults.keys().is_empty(), is_right, "{prefix}");
        }
    }

    proptest! {
        #[test]
        fn different_texts_are_different_parts(texts in proptest::collection::hash_set(".{0,6}|[.%2A ]{0,4}", 1..50)) {
            let mut seen = HashMap::new();
            for text in &texts {
                let part = token(text);
                prop_assert!(!part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic() && !b".*>".contains(&byte)));
                prop_assert_eq!(seen.insert(part, text), None);
            }
        }
    }
}
