//! No file names a folder of somebody's machine.

use super::Violation;
use super::tree::{Tree, numbered};

/// Where people work, in two parts so that this file has no such path.
const FOLDERS: [&str; 3] = [
    concat!("/wo", "rk/"),
    concat!("/ho", "me/"),
    concat!("/Use", "rs/"),
];

/// Finds absolute paths of a machine.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.written() {
        for (line, text) in numbered(text) {
            if let Some(folder) = FOLDERS.into_iter().find(|folder| has_absolute(text, folder)) {
                let message = format!("`{folder}…` is a folder of one machine; use a relative path");
                found.push(Violation::new(path, line, message));
            }
        }
    }
    found
}

/// Whether a path begins with `folder`, rather than having it in the middle.
fn has_absolute(text: &str, folder: &str) -> bool {
    let is_middle = |c: char| c.is_alphanumeric() || "_-.}*".contains(c);
    text.match_indices(folder)
        .any(|(at, _)| !text[..at].chars().next_back().is_some_and(is_middle))
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;

    #[test]
    fn a_path_of_a_machine_is_found_in_any_text() {
        for folder in FOLDERS {
            let text = format!("first\nsee `{folder}me`\n");
            assert_eq!(lines(&check(&Tree::with_files(&[("a.md", &text)]))), ["a.md:2"]);
            let text = format!("{folder}me\n");
            assert_eq!(
                lines(&check(&Tree::with_files(&[("a.toml", &text)]))),
                ["a.toml:1"]
            );
        }
    }

    #[test]
    fn a_relative_path_and_an_address_are_none() {
        for folder in FOLDERS {
            let text = format!("src{folder}a https://example.org{folder}b\n");
            assert_eq!(check(&Tree::with_files(&[("a.md", &text)])), []);
        }
    }
}
