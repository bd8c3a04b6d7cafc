//! A file that has one reason to change stays small.

use super::Violation;
use super::tree::Tree;

/// The longest Rust file, in lines.
const LONGEST: usize = 700;

/// Finds Rust files that are too long.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    tree.rust()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST)
        .map(|(path, lines)| {
            let message =
                format!("the file has {lines} lines, more than {LONGEST}; split it by what makes it change");
            Violation::new(path, LONGEST + 1, message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;

    #[test]
    fn a_file_with_one_line_too_many_is_found() {
        let tree = Tree::with_files(&[
            ("fits.rs", &"\n".repeat(LONGEST)),
            ("long.rs", &"\n".repeat(LONGEST + 1)),
            ("long.md", &"\n".repeat(LONGEST + 1)),
        ]);
        assert_eq!(lines(&check(&tree)), ["long.rs:701"]);
    }
}
