//! Of the sources of a program, only its list names the code of plugins. The application, which is the library of the agent,
//! knows plugins only from the list that a binary hands it; of its own it has nothing but the names of all.

use super::Violation;
use super::tree::{Tree, code};
use crate::binary::Binary;
use crate::registration::KNOWN_PLUGINS;

/// Files of the agent that name plugins: that of the binary beside the library, and the names of all.
const NAMING: [&str; 2] = ["alumet-agent/src/main.rs", KNOWN_PLUGINS];

/// Files that may name a plugin, with its id: the command `ctl` talks to the socket of this one.
const EXCEPTIONS: [(&str, &str); 1] = [("alumet-agent/src/commands/ctl.rs", "socket-control")];

/// Finds names of plugins in the code of the programs.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let plugins = tree.plugins();
    let concerns = |path: &str| {
        let is_of = |binary: Binary| path.starts_with(&binary.sources()) && path != binary.list();
        Binary::ALL.into_iter().any(is_of)
    };
    tree.in_lines(concerns, code, |path, text| {
        if text.contains("alumet_plugin_") {
            let message = "only src/plugins.rs, the list of the binary, names plugins; move this there";
            return Some(message.to_owned());
        }
        if !path.starts_with(&Binary::Agent.sources()) || NAMING.contains(&path) {
            return None;
        }
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
    use crate::workspace::Member;

    fn with_csv(files: &[(&str, &str)]) -> Tree {
        Tree::with_files(files).and(Member::at("alumet-plugins/outputs/csv"))
    }

    #[test]
    fn an_application_that_names_a_plugin_is_found() {
        let code = "fn a() {\n    b(\"csv\");\n    c(\"plugins.csv.path\");\n}\n";
        let tree = with_csv(&[
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
        let tree = with_csv(&[("alumet-agent/src/app.rs", code)]);
        assert_eq!(check(&tree), []);
    }

    #[test]
    fn only_the_list_of_a_binary_names_the_code_of_plugins() {
        let names = "\nalumet_plugin_p::PPlugin\n";
        let tree = Tree::with_files(&[
            ("alumet-agent/src/plugins.rs", names),
            ("alumet-agent/src/app.rs", names),
            ("alumet-agent/src/main.rs", names),
            ("alumet-server/src/plugins.rs", names),
            ("alumet-server/src/certs/mod.rs", names),
        ]);
        assert_eq!(
            lines(&check(&tree)),
            [
                "alumet-agent/src/app.rs:2",
                "alumet-agent/src/main.rs:2",
                "alumet-server/src/certs/mod.rs:2"
            ]
        );
    }
}
