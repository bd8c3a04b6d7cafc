//! The README of every plugin has the same sections.

use super::Violation;
use super::tree::{Tree, numbered};
use crate::registration::Plugin;

const SECTIONS: [&str; 5] = ["Purpose", "Requirements", "Metrics", "Configuration", "Limits"];

/// Finds READMEs of plugins whose sections are missing, doubled or in another order.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for Plugin { folder, .. } in tree.plugins() {
        let path = format!("{folder}/README.md");
        let Some(text) = tree.text(&path) else { continue };
        let sections: Vec<(usize, &str)> = numbered(text)
            .filter_map(|(line, text)| Some((line, text.strip_prefix("## ")?.trim())))
            .filter(|(_, section)| SECTIONS.contains(section))
            .collect();
        let names: Vec<&str> = sections.iter().map(|(_, name)| *name).collect();
        if names != SECTIONS {
            let first_wrong = sections
                .iter()
                .zip(SECTIONS)
                .find(|((_, name), expected)| name != expected);
            let line = first_wrong
                .map(|((line, _), _)| *line)
                .or(sections.last().map(|(line, _)| *line));
            let message = format!("the sections are {names:?}; they must be {SECTIONS:?}, in this order");
            found.push(Violation::new(path, line.unwrap_or(1), message));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;

    fn tree(readme: &str) -> Tree {
        Tree::with_files(&[
            ("alumet-plugins/outputs/x/Cargo.toml", ""),
            ("alumet-plugins/outputs/x/README.md", readme),
        ])
    }

    #[test]
    fn sections_in_order_are_right_with_others_between_them() {
        let readme = "# x\n## Purpose\n## More\n## Requirements\n## Metrics\n## Configuration\n## Limits\n";
        assert_eq!(check(&tree(readme)), []);
    }

    #[test]
    fn a_missing_or_misplaced_section_is_found() {
        let path = "alumet-plugins/outputs/x/README.md";
        for (readme, line) in [
            ("# x\n", 1),
            ("## Purpose\n## Requirements\n## Metrics\n## Configuration\n", 4),
            (
                "## Purpose\n## Metrics\n## Requirements\n## Configuration\n## Limits\n",
                2,
            ),
            (
                "## Purpose\n## Purpose\n## Requirements\n## Metrics\n## Configuration\n## Limits\n",
                2,
            ),
        ] {
            assert_eq!(
                lines(&check(&tree(readme))),
                [format!("{path}:{line}")],
                "{readme}"
            );
        }
    }
}
