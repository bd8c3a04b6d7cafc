//! Where the workspace and its programs name each plugin. All of it is generated: the folder of a plugin registers it.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use heck::{ToSnakeCase, ToUpperCamelCase};

use crate::binary::Binary;
use crate::page::{Page, Read};
use crate::role::{PluginKind, Role};
use crate::workspace::Workspace;

/// The path of the names of all plugins that exist, which is the same for all programs.
pub(crate) const KNOWN_PLUGINS: &str = "alumet-agent/src/known_plugins.rs";

/// A plugin and its folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plugin {
    pub(crate) name: String,
    pub(crate) kind: PluginKind,
    pub(crate) folder: String,
}

/// The plugins of these folders, in the order of names.
pub(crate) fn plugins<'a>(folders: impl Iterator<Item = &'a str>) -> Vec<Plugin> {
    let plugin = |folder: &str| match Role::of(folder) {
        Role::Plugin(kind, name) => Some(Plugin {
            name: name.to_owned(),
            kind,
            folder: folder.to_owned(),
        }),
        _ => None,
    };
    let mut plugins: Vec<Plugin> = folders.filter_map(plugin).collect();
    plugins.sort_by(|a, b| a.name.cmp(&b.name));
    plugins
}

/// Writes the files that name plugins, where they are out of date.
pub(crate) fn update(workspace: &Workspace) -> Result<()> {
    let plugins = plugins(workspace.folders());
    for page in pages(&plugins, &|path| workspace.read(path))? {
        page.write(&workspace.root)?;
    }
    Ok(())
}

/// The files that name plugins, as they should be.
pub(crate) fn pages(plugins: &[Plugin], read: Read<'_>) -> Result<Vec<Page>> {
    let dependencies = lines(plugins, |Plugin { name, folder, .. }| {
        format!("alumet-plugin-{name} = {{ path = \"{folder}\", version = \"0.1.0\" }}")
    });
    let mut pages = vec![Page::filled("Cargo.toml", &[("plugins", dependencies)], read)?];
    for binary in Binary::ALL {
        let mut offered = plugins.to_vec();
        offered.retain(|plugin| binary.offers(plugin.kind, &plugin.name));
        let all = lines(&offered, |Plugin { name, .. }| format!("    \"{name}\","));
        let features = lines(&offered, |Plugin { name, .. }| {
            format!("{name} = [\"dep:alumet-plugin-{name}\"]")
        });
        let dependencies = lines(&offered, |Plugin { name, .. }| {
            format!("alumet-plugin-{name} = {{ workspace = true, optional = true }}")
        });
        let features = format!("plugins = [\n{all}]\n{features}");
        let parts = [("features", features), ("plugins", dependencies)];
        pages.push(Page::filled(&binary.manifest(), &parts, read)?);
        pages.push(Page::new(binary.list(), list(&offered)));
    }
    let old = read(KNOWN_PLUGINS).with_context(|| format!("{KNOWN_PLUGINS} does not exist; restore it"))?;
    pages.push(Page::new(KNOWN_PLUGINS, known(plugins, &old)));
    Ok(pages)
}

/// A line for each plugin.
fn lines(plugins: &[Plugin], line: impl Fn(&Plugin) -> String) -> String {
    plugins.iter().map(|plugin| line(plugin) + "\n").collect()
}

/// The list of the plugins of a binary.
fn list(offered: &[Plugin]) -> String {
    let descriptors = lines(offered, |Plugin { name, .. }| {
        let (snake, camel) = (name.to_snake_case(), name.to_upper_camel_case());
        format!(
            "        #[cfg(feature = \"{name}\")]\n        PluginDescriptor::of::<alumet_plugin_{snake}::{camel}Plugin>(),"
        )
    });
    format!(
        "//! The plugins of this program: the only file that uses them. Written by `cargo xtask docs`.\n\n\
         use alumet_core::plugin::PluginDescriptor;\n\n\
         /// The plugins that the cargo features of this build choose.\n\
         pub(crate) fn compiled() -> Vec<PluginDescriptor> {{\n    vec![\n{descriptors}    ]\n}}\n"
    )
}

/// The names of all plugins: those of the old text, some of which may only be announced, and those that there are.
fn known(plugins: &[Plugin], old: &str) -> String {
    let mut names: BTreeSet<&str> = plugins.iter().map(|plugin| plugin.name.as_str()).collect();
    let lines = old.lines().map(str::trim);
    names.extend(lines.filter_map(|line| line.strip_prefix('"')?.strip_suffix("\",")));
    let names: String = names.iter().map(|name| format!("    \"{name}\",\n")).collect();
    format!(
        "//! All plugins that exist, so that a configuration that names one that a build lacks gets a helpful answer.\n\
         //! `cargo xtask docs` adds new ones.\n\n\
         /// The ids of all plugins, in the order of names.\n\
         pub(crate) const KNOWN: &[&str] = &[\n{names}];\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGIONS: &str = "\
[features]
# features:begin
# features:end
[dependencies]
# plugins:begin
# plugins:end
serde = \"1\"
";

    fn read(path: &str) -> Option<String> {
        Some(
            if path.ends_with(".toml") {
                REGIONS
            } else {
                "    \"later\",\n"
            }
            .to_owned(),
        )
    }

    fn text(path: &str) -> String {
        let folders = [
            "alumet-plugins/sources/big-iron",
            "alumet-plugins/outputs/file",
            "alumet-relay/server",
            "alumet-plugins/readers/iron",
        ];
        let pages = pages(&plugins(folders.into_iter()), &read).unwrap();
        pages.into_iter().find(|page| page.path == path).unwrap().text
    }

    #[test]
    fn the_workspace_says_where_a_plugin_is_and_everything_else_stays() {
        let text = text("Cargo.toml");
        let line =
            "alumet-plugin-big-iron = { path = \"alumet-plugins/sources/big-iron\", version = \"0.1.0\" }";
        let expected = format!("[dependencies]\n# plugins:begin\n{line}\nalumet-plugin-file");
        assert!(
            text.contains(&expected) && text.ends_with("serde = \"1\"\n"),
            "{text}"
        );
        assert!(text.contains("{ path = \"alumet-relay/server\""), "{text}");
        assert!(!text.contains("plugin-iron"), "{text}");
    }

    #[test]
    fn the_agent_has_each_plugin_by_default_and_the_server_no_source_that_measures() {
        let agent = text("alumet-agent/Cargo.toml");
        let features = "plugins = [\n    \"big-iron\",\n    \"file\",\n    \"relay-server\",\n]\n\
                        big-iron = [\"dep:alumet-plugin-big-iron\"]\n";
        assert!(agent.contains(features), "{agent}");
        assert!(
            agent.contains("alumet-plugin-file = { workspace = true, optional = true }\n"),
            "{agent}"
        );
        let server = text("alumet-server/Cargo.toml");
        assert!(
            server.contains("plugins = [\n    \"file\",\n    \"relay-server\",\n]\n"),
            "{server}"
        );
        assert!(!server.contains("big-iron"), "{server}");
    }

    #[test]
    fn a_feature_chooses_the_type_of_its_plugin() {
        let line = "        #[cfg(feature = \"big-iron\")]\n        \
                    PluginDescriptor::of::<alumet_plugin_big_iron::BigIronPlugin>(),\n";
        assert!(text("alumet-agent/src/plugins.rs").contains(line));
        assert!(!text("alumet-server/src/plugins.rs").contains(line));
    }

    #[test]
    fn what_is_only_announced_stays_known() {
        let names = "= &[\n    \"big-iron\",\n    \"file\",\n    \"later\",\n    \"relay-server\",\n];\n";
        assert!(text(KNOWN_PLUGINS).ends_with(names));
    }

    #[test]
    fn a_manifest_without_a_place_for_plugins_is_named() {
        let error = pages(&[], &|_| Some(String::new())).unwrap_err();
        assert!(format!("{error:#}").starts_with("Cargo.toml: "), "{error:#}");
    }
}
