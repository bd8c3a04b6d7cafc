//! The files of a new plugin.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::Options;
use crate::files::Page;

/// The files of a new plugin in its folder: those below `xtask/templates` of its kind.
pub(super) fn pages(root: &Path, options: &Options, folder: &str) -> Result<Vec<Page>> {
    let Options { kind, name, summary } = options;
    let fill = |text: String| {
        text.replace("{{name}}", name.as_str())
            .replace("{{snake}}", &name.snake())
            .replace("{{SNAKE}}", &name.snake().to_uppercase())
            .replace("{{Camel}}", &name.camel())
            .replace("{{summary}}", &summary.0)
    };
    let templates = root.join(format!("xtask/templates/{kind}"));
    let mut pages = Vec::new();
    for part in ["", "src", "tests"] {
        let list = fs::read_dir(templates.join(part)).with_context(|| format!("no templates of a {kind}"))?;
        for entry in list {
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
                name: "big-iron".parse().unwrap(),
                summary: "Does it.".parse().unwrap(),
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
