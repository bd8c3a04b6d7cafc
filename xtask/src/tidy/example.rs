//! Nothing is left in a plugin of the example with which it began.

use super::Violation;
use super::tree::{Tree, numbered};
use crate::registration::Plugin;

/// What the templates of `new-plugin` say of everything that is only an example.
const MARK: &str = "(example of new-plugin)";

/// Finds plugins whose files still say that they are an example.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for Plugin { folder, .. } in tree.plugins() {
        let folder = folder + "/";
        for (path, text) in tree.written().filter(|(path, _)| path.starts_with(&folder)) {
            for (line, _) in numbered(text).filter(|(_, text)| text.contains(MARK)) {
                let message = "this is still the example of `new-plugin`; say what this plugin does";
                found.push(Violation::new(path, line, message));
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
    fn a_plugin_that_still_describes_the_example_is_found() {
        let text = format!("## Purpose\n\nMeasures inodes {MARK}.\n");
        let tree = Tree::with_files(&[
            ("alumet-plugins/sources/iron/Cargo.toml", ""),
            ("alumet-plugins/sources/iron/README.md", &text),
            ("xtask/templates/source/README.md.template", &text),
        ]);
        assert_eq!(lines(&check(&tree)), ["alumet-plugins/sources/iron/README.md:3"]);
    }
}
