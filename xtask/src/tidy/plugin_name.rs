//! One name per plugin: folder, crate and id. That its type, feature and table have it, too, the compiler and the contract
//! suite see. Other crates are called like their folder as well.

use super::Violation;
use super::tree::Tree;
use crate::registration::Plugin;
use crate::role::Role;

/// Finds plugins and other crates that have another name somewhere.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for Plugin { name, folder, .. } in &tree.plugins() {
        let path = format!("{folder}/src/plugin.rs");
        let id = format!("const ID: &'static str = \"{name}\";");
        // That the file is missing is another rule's matter.
        if tree.text(&path).is_some_and(|text| !text.contains(&id)) {
            let line = tree.line_of(&path, "const ID");
            let message = format!("the id is not the name of the folder; write `{id}`");
            found.push(Violation::new(path, line, message));
        }
    }
    for path in tree.files.keys() {
        let folder = path.strip_suffix("/Cargo.toml").unwrap_or("");
        let member = tree.members.iter().find(|member| member.folder == folder);
        match (Role::of(folder).crate_name(), member) {
            (Some(_), None) => {
                let message =
                    "this crate is no member of the workspace; add its folder to `members` in Cargo.toml";
                found.push(Violation::new(path, 1, message));
            }
            (Some(name), Some(member)) if member.name != name => {
                let line = tree.line_of(path, "name");
                let message = format!("the crate is called `{}`; the folder says `{name}`", member.name);
                found.push(Violation::new(path, line, message));
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;
    use crate::workspace::Member;

    const PLUGIN: &str = "alumet-plugins/sources/big-iron/src/plugin.rs";

    fn tree() -> Tree {
        Tree::with_files(&[
            ("alumet-plugins/sources/big-iron/Cargo.toml", "[package]\nname\n"),
            (PLUGIN, "\n    const ID: &'static str = \"big-iron\";\n"),
            ("alumet-plugins/readers/iron/Cargo.toml", "name\n"),
        ])
        .and(Member::at("alumet-plugins/sources/big-iron"))
        .and(Member::at("alumet-plugins/readers/iron"))
    }

    #[test]
    fn a_plugin_with_one_name_everywhere_is_right_and_another_id_is_found() {
        assert_eq!(check(&tree()), []);
        let other = tree().changed(PLUGIN, "\n    const ID: &'static str = \"big_iron\";\n");
        assert_eq!(lines(&check(&other)), [format!("{PLUGIN}:2")]);
    }

    #[test]
    fn a_crate_that_is_not_called_like_its_folder_is_found() {
        let mut tree = tree();
        tree.members[0].name = "alumet-plugin-iron".to_owned();
        tree.members[1].name = "iron-reader".to_owned();
        let plugin = "alumet-plugins/sources/big-iron/Cargo.toml:2";
        let reader = "alumet-plugins/readers/iron/Cargo.toml:1";
        assert_eq!(lines(&check(&tree)), [reader, plugin]);
        tree.members.remove(1);
        let found = check(&tree);
        assert!(found[0].message.contains("no member"), "{}", found[0]);
    }
}
