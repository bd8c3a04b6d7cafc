//! Every text file ends with a newline.

use super::Violation;
use super::tree::Tree;

/// Finds text files whose last line is not ended, or is empty.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let wrong = |text: &str| !text.is_empty() && (!text.ends_with('\n') || text.ends_with("\n\n"));
    tree.written()
        .filter(|(_, text)| wrong(text))
        .map(|(path, text)| {
            Violation::new(
                path,
                text.lines().count(),
                "the file does not end with one newline; end its last line, and leave no empty one after it",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;

    #[test]
    fn a_file_ends_with_one_newline() {
        let tree = Tree::with_files(&[
            ("empty.md", ""),
            ("none.md", "a\nb"),
            ("one.md", "a\n"),
            ("two.md", "a\n\n"),
        ]);
        assert_eq!(lines(&check(&tree)), ["none.md:2", "two.md:2"]);
    }
}
