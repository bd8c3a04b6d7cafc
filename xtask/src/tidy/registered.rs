//! The workspace and its programs name every plugin.

use super::Violation;
use super::tree::Tree;
use crate::registration;

/// Finds files that do not name the plugins that there are.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let read = |path: &str| tree.text(path).map(str::to_owned);
    let pages = match registration::pages(&tree.plugins(), &read) {
        Ok(pages) => pages,
        Err(error) => return vec![Violation::new("Cargo.toml", 1, format!("{error:#}"))],
    };
    let outdated = pages.iter().filter_map(|page| {
        let old = tree.text(&page.path).unwrap_or("");
        let same = old
            .lines()
            .zip(page.text.lines())
            .take_while(|(old, new)| old == new);
        let message = "the plugins here are not those of the folders; run `cargo xtask docs`";
        (old != page.text).then(|| Violation::new(&page.path, same.count() + 1, message))
    });
    outdated.collect()
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;
    use crate::workspace::Member;

    #[test]
    fn a_plugin_that_is_not_registered_is_found_in_each_file_that_must_name_it() {
        let regions = "# features:begin\n# features:end\n# plugins:begin\n# plugins:end\n";
        let mut tree = Tree::with_files(&[
            ("Cargo.toml", regions),
            ("alumet-agent/Cargo.toml", regions),
            ("alumet-agent/src/known_plugins.rs", ""),
            ("alumet-server/Cargo.toml", regions),
        ]);
        let read = |path: &str| Some(tree.text(path).unwrap_or("").to_owned());
        for page in registration::pages(&[], &read).unwrap() {
            tree = tree.changed(&page.path, &page.text);
        }
        assert_eq!(check(&tree), []);
        let with_plugin = tree.and(Member::at("alumet-plugins/sources/iron"));
        assert_eq!(
            lines(&check(&with_plugin)),
            [
                "Cargo.toml:4",
                "alumet-agent/Cargo.toml:3",
                "alumet-agent/src/plugins.rs:8",
                "alumet-agent/src/known_plugins.rs:6",
            ]
        );
    }
}
