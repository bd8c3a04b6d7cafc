//! The files of a new plugin.

use super::name::PluginName;
use crate::files::Page;
use crate::role::PluginKind;

/// A path in the new crate and its text before the name is filled in.
type Template = (&'static str, &'static str);

macro_rules! templates {
    ($folder:literal: $($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../../templates/", $folder, "/", $path, ".template")))),+]
    };
}

const SOURCE: &[Template] = templates!("source":
    "Cargo.toml", "README.md", "config.toml", "src/lib.rs", "src/plugin.rs", "src/config.rs", "src/metrics.rs",
    "src/source.rs", "src/device.rs", "src/error.rs", "tests/contract.rs", "tests/samples.rs");

const TRANSFORM: &[Template] = templates!("transform":
    "Cargo.toml", "README.md", "config.toml", "src/lib.rs", "src/plugin.rs", "src/config.rs", "src/model.rs",
    "src/transform.rs", "tests/contract.rs", "tests/samples.rs");

const OUTPUT: &[Template] = templates!("output":
    "Cargo.toml", "README.md", "config.toml", "src/lib.rs", "src/plugin.rs", "src/config.rs", "src/encode.rs", "src/client.rs",
    "src/output.rs", "src/error.rs", "tests/contract.rs", "tests/samples.rs");

/// The files of a new plugin in its folder.
pub(super) fn pages(kind: PluginKind, name: &PluginName, folder: &str) -> Vec<Page> {
    let templates = match kind {
        PluginKind::Source => SOURCE,
        PluginKind::Transform => TRANSFORM,
        PluginKind::Output => OUTPUT,
    };
    let fill = |text: &str| {
        text.replace("{{name}}", name.as_str())
            .replace("{{snake}}", &name.snake())
            .replace("{{Camel}}", &name.camel())
    };
    templates
        .iter()
        .map(|(path, text)| Page::new(format!("{folder}/{path}"), fill(text)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_filled_in_everywhere() {
        let name: PluginName = "big-iron".parse().unwrap();
        for kind in PluginKind::ALL {
            let pages = pages(kind, &name, "x");
            for Page { path, text } in &pages {
                assert!(
                    !text.contains("{{name") && !text.contains("{{snake") && !text.contains("{{Camel"),
                    "{path}"
                );
            }
            let text = |wanted: &str| {
                &pages
                    .iter()
                    .find(|page| page.path == format!("x/{wanted}"))
                    .unwrap()
                    .text
            };
            assert!(text("Cargo.toml").contains("name = \"alumet-plugin-big-iron\""));
            assert!(text("config.toml").contains("[plugins.big-iron]"));
            assert!(text("src/plugin.rs").contains("impl Plugin for BigIronPlugin "));
            assert!(text("tests/contract.rs").contains("use alumet_plugin_big_iron::"));
        }
    }
}
