//! Every crate has a place that tells what it is for, and is called like its folder; a plugin opens like all others, and has
//! the name of its folder as its id. That its type, feature and table have it, too, the compiler and the contract suite see,
//! which also looks at its README and its default configuration.

use super::Violation;
use super::tree::Tree;
use crate::role::Role;

/// The folders in which each crate has a role.
const GROUPS: [&str; 2] = ["alumet-plugins/", "alumet-relay/"];

/// Finds crates without a role, with another name, and plugins that lack a file, or in which it holds something else.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for member in &tree.members {
        let path = member.manifest();
        match member.role().crate_name() {
            Some(name) if name != member.name => {
                let line = tree.line_of(&path, "name");
                let message = format!("the crate is called `{}`; the folder says `{name}`", member.name);
                found.push(Violation::new(path, line, message));
            }
            None if GROUPS.iter().any(|group| path.starts_with(group)) => {
                let message = "no rule knows what this crate is for; move it to a folder directly below \
                    alumet-plugins/{sources,transforms,outputs,shared,readers}, or give the folder a role in \
                    xtask/src/role.rs";
                found.push(Violation::new(path, 1, message));
            }
            _ => {}
        }
        if let Role::Plugin(_, name) = member.role() {
            let id = format!("const ID: &'static str = \"{name}\";");
            for (file, content) in [
                ("src/plugin.rs", id.as_str()),
                ("tests/contract.rs", "Contract::<"),
            ] {
                let path = format!("{}/{file}", member.folder);
                if !tree.text(&path).unwrap_or("").contains(content) {
                    let line = tree.line_of(&path, "const ID");
                    let message = format!("a plugin has such a file, with `{content}`");
                    found.push(Violation::new(path, line, message));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;
    use crate::workspace::Member;

    const FOLDER: &str = "alumet-plugins/sources/big-iron";
    const PLUGIN: &str = "alumet-plugins/sources/big-iron/src/plugin.rs";
    const CONTRACT: &str = "alumet-plugins/sources/big-iron/tests/contract.rs";

    fn tree() -> Tree {
        Tree::with_files(&[
            ("alumet-plugins/sources/big-iron/Cargo.toml", "[package]\nname\n"),
            (PLUGIN, "\n    const ID: &'static str = \"big-iron\";\n"),
            (CONTRACT, "Contract::<BigIronPlugin>::of_crate"),
        ])
        .and(Member::at(FOLDER))
    }

    #[test]
    fn a_plugin_with_one_name_everywhere_is_right_and_another_id_is_found() {
        assert_eq!(check(&tree()), []);
        let other = tree().changed(PLUGIN, "\n    const ID: &'static str = \"big_iron\";\n");
        assert_eq!(lines(&check(&other)), [format!("{PLUGIN}:2")]);
    }

    #[test]
    fn a_file_that_is_missing_or_holds_something_else_is_found() {
        for path in [PLUGIN, CONTRACT] {
            let place = [format!("{path}:1")];
            assert_eq!(lines(&check(&tree().changed(path, ""))), place);
            let mut without = tree();
            without.files.remove(path);
            assert_eq!(lines(&check(&without)), place);
        }
    }

    #[test]
    fn a_crate_that_is_not_called_like_its_folder_is_found() {
        let mut tree = tree().and(Member::at("alumet-plugins/readers/iron"));
        tree.members[0].name = "alumet-plugin-iron".to_owned();
        tree.members[1].name = "iron-reader".to_owned();
        let plugin = "alumet-plugins/sources/big-iron/Cargo.toml:2";
        let reader = "alumet-plugins/readers/iron/Cargo.toml:1";
        assert_eq!(lines(&check(&tree)), [plugin, reader]);
    }

    #[test]
    fn a_crate_without_a_role_is_found() {
        let mut tree = Tree::default();
        for folder in [
            "alumet-plugins/readers/a",
            "alumet-plugins/misc/b",
            "alumet-plugins/sources/group/c",
            "alumet-relay/protocol",
            "alumet-relay/proxy",
            "examples/embed",
        ] {
            tree = tree.and(Member::at(folder));
        }
        assert_eq!(
            lines(&check(&tree)),
            [
                "alumet-plugins/misc/b/Cargo.toml:1",
                "alumet-plugins/sources/group/c/Cargo.toml:1",
                "alumet-relay/proxy/Cargo.toml:1",
            ]
        );
    }
}
