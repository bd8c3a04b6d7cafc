//! Every plugin crate opens alike: the same files.

use super::Violation;
use super::tree::Tree;
use crate::registration::Plugin;

/// The files that each plugin has, and what they hold.
const FILES: [(&str, &str); 5] = [
    ("README.md", "the page for its users"),
    ("config.toml", "its default configuration, with comments"),
    ("src/lib.rs", "its table of contents"),
    ("src/plugin.rs", "the way from the configuration to the elements"),
    (CONTRACT, "a call of `alumet_core::testkit::Contract`"),
];

const CONTRACT: &str = "tests/contract.rs";

/// Finds plugins that lack a file.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for Plugin { folder, .. } in tree.plugins() {
        for (file, content) in FILES {
            let path = format!("{folder}/{file}");
            if !tree.files.contains_key(&path) {
                let message = format!("this file is missing; there a plugin has {content}");
                found.push(Violation::new(path, 1, message));
            }
        }
        let path = format!("{folder}/{CONTRACT}");
        if tree.text(&path).is_some_and(|text| !text.contains("Contract::<")) {
            let message = "the contract is not tested; call `alumet_core::testkit::Contract`";
            found.push(Violation::new(path, 1, message));
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
            let text = if file == CONTRACT {
                "Contract::<XPlugin>"
            } else {
                ""
            };
            tree = tree.changed(&format!("alumet-plugins/outputs/x/{file}"), text);
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

    #[test]
    fn a_contract_that_is_not_called_is_found() {
        let path = format!("alumet-plugins/outputs/x/{CONTRACT}");
        assert_eq!(
            lines(&check(&tree().changed(&path, "#[test]\nfn a() {}\n"))),
            [format!("{path}:1")]
        );
    }
}
