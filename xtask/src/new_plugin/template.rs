//! The files of a new plugin.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use heck::{ToShoutySnakeCase, ToSnakeCase, ToUpperCamelCase};

use super::Options;
use crate::page::Page;

/// The files of a new plugin in its folder: those below `xtask/templates` of its kind.
pub(super) fn pages(root: &Path, options: &Options, folder: &str) -> Result<Vec<Page>> {
    let Options { kind, name, summary } = options;
    let fill = |text: String| {
        text.replace("{{name}}", name)
            .replace("{{snake}}", &name.to_snake_case())
            .replace("{{SNAKE}}", &name.to_shouty_snake_case())
            .replace("{{Camel}}", &name.to_upper_camel_case())
            .replace("{{summary}}", summary)
    };
    let templates = root.join("xtask/templates").join(kind.folder());
    let mut pages = Vec::new();
    for part in ["", "src", "tests"] {
        let folder_of_part = templates.join(part);
        let list = fs::read_dir(&folder_of_part);
        for entry in list.with_context(|| format!("cannot list {}", folder_of_part.display()))? {
            let path = entry?.path();
            let file = path.strip_prefix(&templates)?.with_extension("");
            if path.is_file() {
                let path_of_new = format!("{folder}/{}", file.display());
                pages.push(Page::new(path_of_new, fill(fs::read_to_string(path)?)));
            }
        }
    }
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    use crate::role::PluginKind;

    #[test]
    fn what_is_known_of_the_plugin_is_filled_in_everywhere() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for &kind in PluginKind::value_variants() {
            let options = Options {
                kind,
                name: "big-iron".to_owned(),
                summary: "Does it.".to_owned(),
            };
            let pages = pages(&root, &options, "x").unwrap();
            for Page { path, text } in &pages {
                assert!(!text.contains("{{") || !text.contains("}}"), "{path}");
            }
            let text = |wanted: &str| &pages.iter().find(|page| page.path == wanted).unwrap().text;
            assert!(
                text("x/Cargo.toml")
                    .contains("name = \"alumet-plugin-big-iron\"\ndescription = \"Does it.\"")
            );
            assert!(text("x/config.toml").contains("# Does it. Every key"));
            assert!(text("x/README.md").contains("## Purpose\n\nDoes it.\n"));
            assert!(text("x/src/plugin.rs").contains("impl Plugin for BigIronPlugin "));
            assert!(text("x/tests/contract.rs").contains("use alumet_plugin_big_iron::"));
        }
    }
}
