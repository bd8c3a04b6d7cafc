//! Every plugin crate opens alike. The contract suite looks at its README and its default configuration.

use super::Violation;
use super::tree::Tree;
use crate::registration::Plugin;

/// The files that each plugin has, and what stands in them.
const FILES: [(&str, &str); 2] = [
    ("src/plugin.rs", "impl Plugin for "),
    ("tests/contract.rs", "Contract::<"),
];

/// Finds plugins that lack a file, or in which it holds something else.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for Plugin { folder, .. } in tree.plugins() {
        for (file, content) in FILES {
            let path = format!("{folder}/{file}");
            if !tree.text(&path).unwrap_or("").contains(content) {
                let message = format!("a plugin has such a file, with `{content}…`");
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

    #[test]
    fn a_file_that_is_missing_or_holds_something_else_is_found() {
        let folder = "alumet-plugins/outputs/x";
        let mut tree = Tree::with_files(&[("alumet-plugins/outputs/x/Cargo.toml", "")]);
        for (file, content) in FILES {
            tree = tree.changed(&format!("{folder}/{file}"), content);
        }
        assert_eq!(check(&tree), []);
        for (file, _) in FILES {
            let path = format!("{folder}/{file}");
            let place = [format!("{path}:1")];
            assert_eq!(lines(&check(&tree.clone().changed(&path, ""))), place);
            let mut without = tree.clone();
            without.files.remove(&path);
            assert_eq!(lines(&check(&without)), place);
        }
    }
}
