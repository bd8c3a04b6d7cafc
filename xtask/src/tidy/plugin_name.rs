//! One name per plugin: folder, crate, id, feature, type, table. Other crates are called like their folder, too.

use super::Violation;
use super::tree::Tree;
use crate::registration::Plugin;
use crate::role::{Role, camel_case};

/// Finds plugins and other crates that have another name somewhere.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for Plugin { name, folder, .. } in &tree.plugins() {
        check_type(tree, folder, name, &mut found);
        check_table(tree, folder, name, &mut found);
    }
    for path in tree.files.keys() {
        let folder = path.strip_suffix("/Cargo.toml").unwrap_or("");
        if let Some(name) = Role::of(folder).crate_name() {
            check_crate(tree, folder, &name, &mut found);
        }
    }
    found
}

/// The folder is a member of the workspace, and its crate is called `name`.
fn check_crate(tree: &Tree, folder: &str, name: &str, found: &mut Vec<Violation>) {
    let path = format!("{folder}/Cargo.toml");
    match tree.members.iter().find(|member| member.folder == folder) {
        None => {
            let message =
                "this crate is no member of the workspace; add its folder to `members` in Cargo.toml";
            found.push(Violation::new(path, 1, message));
        }
        Some(member) if member.name != name => {
            let line = tree.line_of(&path, "name");
            let message = format!("the crate is called `{}`; the folder says `{name}`", member.name);
            found.push(Violation::new(path, line, message));
        }
        Some(_) => {}
    }
}

/// The plugin type and its id.
fn check_type(tree: &Tree, folder: &str, name: &str, found: &mut Vec<Violation>) {
    let path = format!("{folder}/src/plugin.rs");
    let Some(text) = tree.text(&path) else {
        // That the file is missing is another rule's matter.
        return;
    };
    let id = format!("const ID: &'static str = \"{name}\";");
    if !text.contains(&id) {
        let line = tree.line_of(&path, "const ID");
        found.push(Violation::new(
            &path,
            line,
            format!("the id is not the name of the folder; write `{id}`"),
        ));
    }
    let plugin = format!("{}Plugin", camel_case(name));
    let implementation = format!("impl Plugin for {plugin} ");
    if !text.contains(&implementation) {
        let line = tree.line_of(&path, "impl Plugin for");
        let message = format!("the type of the plugin is not named after the folder; call it `{plugin}`");
        found.push(Violation::new(&path, line, message));
    }
    let library = format!("{folder}/src/lib.rs");
    if tree.text(&library).is_some_and(|text| !text.contains(&plugin)) {
        let message = format!("the crate does not export its plugin; add `pub use plugin::{plugin};`");
        found.push(Violation::new(library, 1, message));
    }
}

/// The table of the default configuration.
fn check_table(tree: &Tree, folder: &str, name: &str, found: &mut Vec<Violation>) {
    let path = format!("{folder}/config.toml");
    let Some(text) = tree.text(&path) else {
        return;
    };
    let table = text.parse::<toml::Table>();
    let is_there = table.is_ok_and(|table| {
        let plugins = table.get("plugins").and_then(toml::Value::as_table);
        plugins.is_some_and(|plugins| plugins.len() == 1 && plugins.contains_key(name))
    });
    if !is_there {
        let line = tree.line_of(&path, "[plugins.");
        let message = format!(
            "the default configuration is not in one table of that name; begin it with `[plugins.{name}]`"
        );
        found.push(Violation::new(path, line, message));
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;
    use crate::workspace::Member;

    const FOLDER: &str = "alumet-plugins/sources/big-iron";

    fn tree() -> Tree {
        let file = |path: &str| format!("{FOLDER}/{path}");
        let plugin = "impl Plugin for BigIronPlugin {\n    const ID: &'static str = \"big-iron\";\n}\n";
        Tree::with_files(&[
            (&file("Cargo.toml"), "[package]\nname\n"),
            (&file("config.toml"), "# x\n[plugins.big-iron]\n"),
            (&file("src/lib.rs"), "pub use plugin::BigIronPlugin;\n"),
            (&file("src/plugin.rs"), plugin),
            ("alumet-plugins/readers/iron/Cargo.toml", "name\n"),
        ])
        .and(Member::at(FOLDER))
        .and(Member::at("alumet-plugins/readers/iron"))
    }

    #[test]
    fn a_plugin_with_one_name_everywhere_is_right() {
        assert_eq!(check(&tree()), []);
    }

    #[test]
    fn another_name_is_found_wherever_it_stands() {
        for (path, text, place) in [
            (
                "src/plugin.rs",
                "impl Plugin for BigIronPlugin {\n    const ID: &'static str = \"big_iron\";\n}\n",
                2,
            ),
            (
                "src/plugin.rs",
                "impl Plugin for BigironPlugin {\n    const ID: &'static str = \"big-iron\";\n}\n",
                1,
            ),
            ("src/lib.rs", "pub use plugin::Other;\n", 1),
            ("config.toml", "\n[plugins.iron]\n", 2),
            ("config.toml", "poll_interval = \"1s\"\n", 1),
            ("config.toml", "[plugins.big-iron]\n[plugins.other]\n", 1),
        ] {
            let path = format!("{FOLDER}/{path}");
            let found = check(&tree().changed(&path, text));
            assert_eq!(lines(&found), [format!("{path}:{place}")], "{text}");
        }
    }

    #[test]
    fn a_crate_that_is_not_called_like_its_folder_is_found() {
        let mut tree = tree();
        tree.members[0].name = "alumet-plugin-iron".to_owned();
        tree.members[1].name = "iron-reader".to_owned();
        let reader = "alumet-plugins/readers/iron/Cargo.toml:1";
        assert_eq!(lines(&check(&tree)), [reader, &format!("{FOLDER}/Cargo.toml:2")]);
        tree.members.remove(1);
        let found = check(&tree);
        assert!(found[0].message.contains("no member"), "{}", found[0]);
    }
}
