//! Every file ends with a newline; the name of a Rust file says what is inside, and it stays small by having one reason to
//! change.

use super::Violation;
use super::tree::Tree;

/// Names under which everything and nothing belongs.
const VAGUE: [&str; 6] = ["util", "utils", "common", "helper", "helpers", "misc"];

/// The longest Rust file, in lines.
const LONGEST: usize = 700;

/// Finds text files whose last line is not ended, or is empty, and Rust files with a vague name, or that are too long.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.written() {
        let mut find = |line, message: &str| found.push(Violation::new(path, line, message));
        let lines = text.lines().count();
        if !text.is_empty() && (!text.ends_with('\n') || text.ends_with("\n\n")) {
            find(
                lines,
                "the file does not end with one newline; end its last line, and leave no empty one after it",
            );
        }
        let Some(module) = path.strip_suffix(".rs") else {
            continue;
        };
        let name = module.trim_end_matches("/mod").rsplit('/').next();
        if name.is_some_and(|name| VAGUE.contains(&name)) {
            find(
                1,
                "the name does not say what is inside; name the file after what it holds",
            );
        }
        if lines > LONGEST {
            let message =
                format!("the file has {lines} lines, more than {LONGEST}; split it by what makes it change");
            find(LONGEST + 1, &message);
        }
    }
    found
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

    #[test]
    fn vague_names_are_found() {
        let tree = Tree::with_files(&[
            ("a/src/utils.rs", ""),
            ("a/src/common/mod.rs", ""),
            ("a/tests/helpers.rs", ""),
            ("a/src/utilisation.rs", ""),
            ("a/common/src/lib.rs", ""),
            ("a/utils.py", ""),
        ]);
        assert_eq!(
            lines(&check(&tree)),
            [
                "a/src/common/mod.rs:1",
                "a/src/utils.rs:1",
                "a/tests/helpers.rs:1"
            ]
        );
    }

    #[test]
    fn a_file_with_one_line_too_many_is_found() {
        let tree = Tree::with_files(&[
            ("fits.rs", &"x\n".repeat(LONGEST)),
            ("long.rs", &"x\n".repeat(LONGEST + 1)),
            ("long.md", &"x\n".repeat(LONGEST + 1)),
        ]);
        assert_eq!(lines(&check(&tree)), ["long.rs:701"]);
    }
}
