//! Words that no file has: marks of unfinished work, folders of somebody's machine, and what is left of an example.

use super::Violation;
use super::tree::{Tree, numbered};

/// Words, the files that must not have them, and what to do. The words are in two parts, so that this file has none.
type Rule = (&'static [&'static str], fn(&str) -> bool, &'static str);

const RULES: [Rule; 3] = [
    (
        &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")],
        |path| path.ends_with(".rs"),
        "marks unfinished work; do it, or write it down outside of the code",
    ),
    (
        &[
            concat!("/wo", "rk/"),
            concat!("/ho", "me/"),
            concat!("/Use", "rs/"),
        ],
        |_| true,
        "is a folder of one machine; use a relative path",
    ),
    (
        &[concat!("(example of ", "new-plugin)")],
        |path| path.starts_with("alumet-plugins/"),
        "is left of the template; say what this plugin does",
    ),
];

/// Finds files with such words.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.written() {
        for (words, _, remedy) in RULES.iter().filter(|(_, concerns, _)| concerns(path)) {
            for (line, text) in numbered(text) {
                if let Some(word) = words.iter().find(|word| has_word(text, word)) {
                    found.push(Violation::new(path, line, format!("`{word}` {remedy}")));
                }
            }
        }
    }
    found
}

/// Whether it stands alone, as no part of another word or path.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || "_-.}*".contains(c);
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && (word.ends_with('/') || !after.is_some_and(char::is_alphanumeric))
    })
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;

    #[test]
    fn each_word_is_found_where_it_must_not_be() {
        let plugin = "alumet-plugins/sources/iron/src/plugin.rs";
        for word in RULES.iter().flat_map(|(words, ..)| *words) {
            let text = format!("fn a() {{\n    // {word}\n}}\n");
            let tree = Tree::with_files(&[(plugin, &text)]);
            assert_eq!(lines(&check(&tree)), [format!("{plugin}:2")], "{word}");
        }
    }

    #[test]
    fn marks_of_work_and_of_the_example_may_stand_elsewhere() {
        for (rule, path) in [(0, "a.md"), (2, "xtask/templates/sources/src/plugin.rs.template")] {
            let text = format!("{}\n", RULES[rule].0[0]);
            assert_eq!(check(&Tree::with_files(&[(path, &text)])), []);
        }
    }

    #[test]
    fn a_part_of_another_word_or_path_is_none() {
        for word in RULES[..2].iter().flat_map(|(words, ..)| *words) {
            let text = format!("let x = a{word}b https://example.org{word}b\n");
            assert_eq!(check(&Tree::with_files(&[("a.rs", &text)])), [], "{text}");
        }
    }
}
