//! The application, which is the library of the agent, knows plugins only from the list that a binary hands it; of its own
//! it has nothing but the names of all.

use super::Violation;
use super::tree::{Tree, code};
use crate::registration::KNOWN_PLUGINS;

const LIBRARY: &str = "alumet-agent/src/";

/// The files of the binary beside the library.
const OF_BINARY: [&str; 2] = ["alumet-agent/src/main.rs", "alumet-agent/src/plugins.rs"];

/// Files that may name a plugin, with its id: the command `ctl` talks to the socket of this one.
const EXCEPTIONS: [(&str, &str); 1] = [("alumet-agent/src/commands/ctl.rs", "socket-control")];

/// Finds ids of plugins in the code of the application.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let plugins = tree.plugins();
    let concerns =
        |path: &str| path.starts_with(LIBRARY) && !OF_BINARY.contains(&path) && path != KNOWN_PLUGINS;
    tree.in_lines(concerns, code, |path, text| {
        let names = |id: &str| text.contains(&format!("\"{id}\"")) || text.contains(&format!("\"plugins.{id}."));
        let mut ids = plugins.iter().map(|plugin| plugin.name.as_str());
        let id = ids.find(|id| !EXCEPTIONS.contains(&(path, id)) && names(id))?;
        Some(format!(
            "the application knows no plugin, but names `{id}`; let the binary hand over what it needs (`App`)"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;

    #[test]
    fn an_application_that_names_a_plugin_is_found() {
        let code = "fn a() {\n    b(\"csv\");\n    c(\"plugins.csv.path\");\n}\n";
        let tree = Tree::with_files(&[
            ("alumet-plugins/outputs/csv/Cargo.toml", ""),
            ("alumet-agent/src/app.rs", code),
            ("alumet-agent/src/known_plugins.rs", code),
            ("alumet-agent/src/main.rs", code),
            ("alumet-agent/src/plugins.rs", code),
            ("alumet-agent/tests/config.rs", code),
            ("alumet-server/src/main.rs", code),
        ]);
        assert_eq!(
            lines(&check(&tree)),
            ["alumet-agent/src/app.rs:2", "alumet-agent/src/app.rs:3"]
        );
    }

    #[test]
    fn tests_and_other_words_name_no_plugin() {
        let code = "let x = \"csv file, see [plugins.csv]\";\n// \"csv\"\n#[cfg(test)]\nmod tests {\n    b(\"csv\");\n}\n";
        let tree = Tree::with_files(&[
            ("alumet-plugins/outputs/csv/Cargo.toml", ""),
            ("alumet-agent/src/app.rs", code),
        ]);
        assert_eq!(check(&tree), []);
    }
}
