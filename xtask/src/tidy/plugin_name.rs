//! One name per plugin: folder, crate, id, feature, type, table. Other crates are called like their folder, too.

use super::Violation;
use super::tree::Tree;
use crate::binary::{Binary, KNOWN_PLUGINS};
use crate::role::{PluginKind, Role, camel_case, snake_case};

/// Finds plugins and other crates that have another name somewhere.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (kind, name, folder) in tree.plugins() {
        check_type(tree, folder, name, &mut found);
        check_table(tree, folder, name, &mut found);
        check_known(tree, name, &mut found);
        for binary in Binary::ALL {
            check_binary(tree, binary, (kind, name), &mut found);
        }
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

/// The list of all plugins that exist.
fn check_known(tree: &Tree, name: &str, found: &mut Vec<Violation>) {
    let known = format!("    \"{name}\",");
    let list = tree.text(KNOWN_PLUGINS).unwrap_or("");
    if !list.lines().any(|line| line == known) {
        let line = tree.line_of(KNOWN_PLUGINS, "const KNOWN");
        let message = format!("the programs do not know that the plugin `{name}` exists; add it to `KNOWN`");
        found.push(Violation::new(KNOWN_PLUGINS, line, message));
    }
}

/// The feature and the list of a binary: both or none, and both where the binary must have the plugin.
fn check_binary(tree: &Tree, binary: Binary, (kind, name): (PluginKind, &str), found: &mut Vec<Violation>) {
    let (program, manifest) = (binary.short_name(), binary.manifest());
    let switch = format!("dep:alumet-plugin-{name}");
    let member = tree.member(binary.name());
    let feature = member.and_then(|member| member.features.get(name));
    let has_feature = feature.is_some_and(|parts| parts.contains(&switch));

    let list = tree.text(binary.list()).unwrap_or("");
    let condition = format!("feature = \"{name}\"");
    let plugin = format!("alumet_plugin_{}::{}Plugin", snake_case(name), camel_case(name));
    let (has_condition, has_plugin) = (list.contains(&condition), list.contains(&plugin));

    let is_offered = binary.offers(kind, name) || has_feature || has_condition || has_plugin;
    if is_offered && !has_feature {
        let line = tree.line_of(manifest, "[features]");
        let message = format!(
            "the {program} has no feature for the plugin `{name}`; add `{name} = [\"{switch}\"]` to [features]"
        );
        found.push(Violation::new(manifest, line, message));
    }
    if is_offered && !(has_condition && has_plugin) {
        let message = format!(
            "the {program} does not list the plugin `{name}`; add a line with `#[cfg({condition})]` and `{plugin}`"
        );
        found.push(Violation::new(binary.list(), 1, message));
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;
    use crate::workspace::Member;

    const FOLDER: &str = "alumet-plugins/sources/big-iron";

    const AGENT_LIST: &str = "\
#[cfg(feature = \"big-iron\")]
of::<alumet_plugin_big_iron::BigIronPlugin>(),
#[cfg(feature = \"file\")]
of::<alumet_plugin_file::FilePlugin>(),
";

    const SERVER_LIST: &str = "\
#[cfg(feature = \"file\")]
of::<alumet_plugin_file::FilePlugin>(),
";

    const KNOWN: &str = "\
//! All plugins.

const KNOWN: &[&str] = &[
    \"big-iron\",
    \"file\",
];
";

    fn tree() -> Tree {
        Tree::with_files(&[
            ("alumet-agent/Cargo.toml", "[package]\n[features]\n"),
            ("alumet-agent/src/known_plugins.rs", KNOWN),
            ("alumet-agent/src/plugins.rs", AGENT_LIST),
            ("alumet-server/Cargo.toml", "[package]\n\n[features]\n"),
            ("alumet-server/src/plugins.rs", SERVER_LIST),
            ("alumet-plugins/sources/big-iron/Cargo.toml", "[package]\nname\n"),
            (
                "alumet-plugins/sources/big-iron/config.toml",
                "# x\n[plugins.big-iron]\n",
            ),
            (
                "alumet-plugins/sources/big-iron/src/lib.rs",
                "pub use plugin::BigIronPlugin;\n",
            ),
            (
                "alumet-plugins/sources/big-iron/src/plugin.rs",
                "impl Plugin for BigIronPlugin {\n    const ID: &'static str = \"big-iron\";\n}\n",
            ),
            ("alumet-plugins/outputs/file/Cargo.toml", "[package]\nname\n"),
            ("alumet-plugins/readers/iron/Cargo.toml", "name\n"),
            ("alumet-plugins/shared/iron/Cargo.toml", "name\n"),
        ])
        .and(Member::new("alumet-plugin-big-iron", FOLDER))
        .and(Member::new("alumet-reader-iron", "alumet-plugins/readers/iron"))
        .and(
            Member::new("alumet-agent", "alumet-agent")
                .offers("big-iron", "alumet-plugin-big-iron")
                .offers("file", "alumet-plugin-file"),
        )
        .and(Member::new("alumet-server", "alumet-server").offers("file", "alumet-plugin-file"))
        .and(Member::new("alumet-plugin-file", "alumet-plugins/outputs/file"))
        .and(Member::new("alumet-shared-iron", "alumet-plugins/shared/iron"))
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
        tree.members[5].name = "iron".to_owned();
        assert_eq!(
            lines(&check(&tree)),
            [
                "alumet-plugins/readers/iron/Cargo.toml:1",
                "alumet-plugins/shared/iron/Cargo.toml:1",
                "alumet-plugins/sources/big-iron/Cargo.toml:2",
            ]
        );
        tree.members.remove(1);
        let found = check(&tree);
        assert!(found[0].message.contains("no member"), "{}", found[0]);
    }

    #[test]
    fn a_plugin_that_the_agent_does_not_have_is_found() {
        let unlisted = tree().changed(
            "alumet-agent/src/plugins.rs",
            &AGENT_LIST.replace("of::<alumet_plugin_big_iron::BigIronPlugin>(),\n", ""),
        );
        assert_eq!(lines(&check(&unlisted)), ["alumet-agent/src/plugins.rs:1"]);
        let mut featureless = tree();
        featureless.members[2].features.remove("big-iron");
        assert_eq!(lines(&check(&featureless)), ["alumet-agent/Cargo.toml:2"]);
    }

    #[test]
    fn the_server_must_have_an_output_and_have_a_source_fully_or_not_at_all() {
        let mut featureless = tree();
        featureless.members[3].features.clear();
        assert_eq!(lines(&check(&featureless)), ["alumet-server/Cargo.toml:3"]);

        let list = "alumet-server/src/plugins.rs";
        let listed =
            format!("#[cfg(feature = \"big-iron\")]\nalumet_plugin_big_iron::BigIronPlugin\n{SERVER_LIST}");
        let mut with_source = tree().changed(list, &listed);
        assert_eq!(lines(&check(&with_source)), ["alumet-server/Cargo.toml:3"]);
        let features = with_source.members[2].features.clone();
        with_source.members[3].features = features;
        assert_eq!(check(&with_source), []);
        assert_eq!(
            lines(&check(&with_source.changed(list, SERVER_LIST))),
            ["alumet-server/src/plugins.rs:1"]
        );
    }

    #[test]
    fn a_plugin_that_the_list_of_all_does_not_have_is_found() {
        let list = KNOWN.replace("    \"big-iron\",\n", "");
        let found = check(&tree().changed(KNOWN_PLUGINS, &list));
        assert_eq!(lines(&found), ["alumet-agent/src/known_plugins.rs:3"]);
    }
}
