//! Words of a line: separated by spaces, in double quotes if they have some.

use std::iter::{self, Peekable};
use std::str::Chars;

use crate::error::CommandError;

const OPEN_QUOTE: &str = "a double quote is not closed; write it as \"sources/a b/*\"";

const AFTER_QUOTE: &str = "a space must follow a closing quote; write `\\\"` for a quote within quotes";

/// Splits a line.
pub(crate) fn split(line: &str) -> Result<Vec<String>, CommandError> {
    let mut words = Vec::new();
    let mut chars = line.chars().peekable();
    loop {
        while chars.next_if(char::is_ascii_whitespace).is_some() {}
        match chars.peek() {
            None => return Ok(words),
            Some('"') => words.push(quoted_word(&mut chars)?),
            Some(_) => {
                let word = iter::from_fn(|| chars.next_if(|c| !c.is_ascii_whitespace()));
                words.push(word.collect());
            }
        }
    }
}

fn quoted_word(chars: &mut Peekable<Chars<'_>>) -> Result<String, CommandError> {
    chars.next();
    let mut next = || chars.next().ok_or_else(|| CommandError::new(OPEN_QUOTE));
    let mut word = String::new();
    loop {
        match next()? {
            '"' => break,
            '\\' => word.push(match next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                c @ ('"' | '\\') => c,
                c => {
                    let why = format!(
                        "`\\{c}` means nothing; within quotes there are \\\\, \\\", \\n, \\r and \\t"
                    );
                    return Err(CommandError(why));
                }
            }),
            c => word.push(c),
        }
    }
    match chars.peek() {
        Some(c) if !c.is_ascii_whitespace() => Err(CommandError::new(AFTER_QUOTE)),
        _ => Ok(word),
    }
}

/// The word as [`split`] understands it.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| !c.is_ascii_whitespace() && !c.is_control();
    if !word.is_empty() && !word.starts_with('"') && word.chars().all(is_plain) {
        return word.to_owned();
    }
    let mut text = String::from("\"");
    for c in word.chars() {
        match c {
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '"' | '\\' => text.extend(['\\', c]),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

/// The beginning of a word, to be repeated in a message.
pub(crate) fn excerpt(word: &str) -> String {
    const LENGTH: usize = 60;
    match word.char_indices().nth(LENGTH) {
        None => word.to_owned(),
        Some((end, _)) => format!("{}…", &word[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_keep_spaces_and_must_be_closed() {
        assert_eq!(
            split(" a\t \"b \\\"c\\n\" d\"e \r").unwrap(),
            ["a", "b \"c\n", "d\"e"]
        );
        let refused = |line| split(line).unwrap_err().0;
        assert_eq!(refused("\"a"), OPEN_QUOTE);
        assert_eq!(refused("\"a\\"), OPEN_QUOTE);
        assert_eq!(refused("\"a\"b"), AFTER_QUOTE);
        assert!(refused("\"\\x\"").starts_with("`\\x` means nothing"));
    }

    #[test]
    fn an_excerpt_is_short() {
        assert_eq!(excerpt("short"), "short");
        assert_eq!(excerpt(&"é".repeat(1000)).chars().count(), 61);
    }

    proptest! {
        #[test]
        fn any_words_survive_their_line(words in proptest::collection::vec(any::<String>(), 0..4)) {
            let line = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
            prop_assert!(!line.contains(['\n', '\r']));
            prop_assert_eq!(split(&line).unwrap(), words);
        }
    }
}
