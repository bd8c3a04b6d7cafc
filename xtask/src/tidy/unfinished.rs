//! Nothing is left for later in the sources.

use super::Violation;
use super::tree::{Tree, numbered};

/// Marks of unfinished work, in two parts so that this file has none.
const WORDS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
const MACROS: [&str; 2] = [concat!("unimplemented", "!"), concat!("todo", "!")];

/// Finds marks of unfinished work.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.rust() {
        for (line, text) in numbered(text) {
            let mark = WORDS.into_iter().chain(MACROS).find(|mark| has_word(text, mark));
            if let Some(mark) = mark {
                let message =
                    format!("`{mark}` marks unfinished work; do it, or write it down outside of the code");
                found.push(Violation::new(path, line, message));
            }
        }
    }
    found
}

/// Whether the word stands alone, as no part of another.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && (word.ends_with('!') || !after.is_some_and(is_part))
    })
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;

    #[test]
    fn every_mark_is_found() {
        for mark in WORDS.into_iter().chain(MACROS) {
            let text = format!("fn a() {{\n    // {mark}(me)\n}}\n");
            assert_eq!(lines(&check(&Tree::with_files(&[("a.rs", &text)]))), ["a.rs:2"]);
        }
    }

    #[test]
    fn a_mark_within_a_word_is_none() {
        for mark in WORDS {
            let text = format!("let {mark}S = \"/tmp/{mark}{mark}\";\n");
            assert_eq!(check(&Tree::with_files(&[("a.rs", &text)])), []);
        }
    }
}
