//! File names say what is inside.

use super::Violation;
use super::tree::Tree;

/// Names under which everything and nothing belongs.
const VAGUE: [&str; 6] = ["util", "utils", "common", "helper", "helpers", "misc"];

/// Finds Rust files and modules with a vague name.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let is_vague = |path: &str| {
        let mut parts: Vec<&str> = path.trim_end_matches(".rs").split('/').collect();
        if parts.last() == Some(&"mod") {
            parts.pop();
        }
        parts.last().is_some_and(|name| VAGUE.contains(name))
    };
    tree.rust()
        .filter(|(path, _)| is_vague(path))
        .map(|(path, _)| {
            let message = "the name does not say what is inside; name the file after what it holds";
            Violation::new(path, 1, message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;

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
}
