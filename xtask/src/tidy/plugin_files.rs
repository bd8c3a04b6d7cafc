//! Every plugin crate opens alike: the same files.

use super::Violation;
use super::tree::Tree;

/// The files that each plugin has, and what they hold.
const FILES: [(&str, &str); 5] = [
    ("README.md", "the page for its users"),
    ("config.toml", "its default configuration, with comments"),
    ("src/lib.rs", "its table of contents"),
    ("src/plugin.rs", "the way from the configuration to the elements"),
    ("tests/contract.rs", "a call of `alumet_core::testkit::Contract`"),
];

/// Finds plugins that lack a file.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (_, _, folder) in tree.plugins() {
        for (file, content) in FILES {
            let path = format!("{folder}/{file}");
            if !tree.files.contains_key(&path) {
                let message = format!("this file is missing; a plugin has {content} there");
                found.push(Violation::new(path, 1, message));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;

    fn tree() -> Tree {
        let mut tree = Tree::with_files(&[("alumet-plugins/outputs/x/Cargo.toml", "")]);
        for (file, _) in FILES {
            tree = tree.changed(&format!("alumet-plugins/outputs/x/{file}"), "");
        }
        tree
    }

    #[test]
    fn each_missing_file_is_found() {
        assert_eq!(check(&tree()), []);
        for (file, _) in FILES {
            let path = format!("alumet-plugins/outputs/x/{file}");
            assert_eq!(lines(&check(&tree().without(&path))), [format!("{path}:1")]);
        }
    }
}
