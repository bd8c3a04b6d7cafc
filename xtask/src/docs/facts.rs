//! The facts, which the binaries know about themselves and their plugins.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::binary::Binary;
use crate::shell;

/// The entry of the agent's own metrics among the plugins.
pub(super) const AGENT_ITSELF: &str = "alumet";

/// What the documentation derives from.
#[derive(Debug)]
pub(super) struct Facts {
    /// All plugins, and the agent itself.
    pub(super) plugins: Vec<Plugin>,
    /// The reference of the configuration, as Markdown.
    pub(super) configuration: String,
}

/// A plugin, or the agent itself.
#[derive(Debug, Deserialize)]
pub(super) struct Plugin {
    pub(super) id: String,
    pub(super) summary: String,
    enabled_by_default: bool,
    /// The programs that enable it in a new configuration.
    #[serde(skip)]
    pub(super) enabled_in: Vec<Binary>,
    pub(super) metrics: Vec<Metric>,
    /// The table of its keys.
    #[serde(default)]
    pub(super) configuration_markdown: String,
}

/// A row of the catalogue.
#[derive(Debug, Deserialize)]
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) value_type: String,
    pub(super) unit: String,
    pub(super) quality: String,
    pub(super) description: String,
    pub(super) resources: Vec<String>,
    pub(super) consumers: Vec<String>,
    pub(super) attributes: Vec<String>,
}

impl Facts {
    /// Builds the binaries with all plugins and asks them.
    pub(super) fn of_binaries(root: &Path) -> Result<Self> {
        let ask = |binary: Binary, question: &str| {
            let name = binary.name();
            let line = format!("cargo run -q --all-features -p {name} -- {question}");
            shell::output(&line, root)
        };
        let mut plugins = Vec::new();
        for binary in Binary::ALL {
            add(&mut plugins, binary, &ask(binary, "plugins list --json")?)?;
        }
        Ok(Self {
            plugins,
            configuration: ask(Binary::Agent, "config reference --markdown")?,
        })
    }
}

/// Adds what a binary lists: its plugins or, of those that another one has listed, whether it enables them, too.
fn add(plugins: &mut Vec<Plugin>, binary: Binary, list: &str) -> Result<()> {
    let name = binary.name();
    let listed: Vec<Plugin> = serde_json::from_str(list)
        .with_context(|| format!("`{name} plugins list --json` printed something unexpected"))?;
    for mut plugin in listed {
        if plugin.enabled_by_default {
            plugin.enabled_in.push(binary);
        }
        match plugins.iter_mut().find(|one| one.id == plugin.id) {
            Some(same) => same.enabled_in.append(&mut plugin.enabled_in),
            None => plugins.push(plugin),
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const LIST: &str = r#"[
        {"id": "load", "summary": "Measures the load.", "kind": "source", "enabled_by_default": true,
         "metrics": [{"name": "load_average", "kind": "gauge", "value_type": "f64", "unit": "1", "quality": "measured",
                      "description": "Mean number of a|b.", "resources": ["local_machine"], "consumers": ["local_machine"],
                      "attributes": ["window=1m|5m"]}],
         "configuration_markdown": "| Key |\n|---|\n| `poll_interval` |\n", "configuration_toml": ""},
        {"id": "alumet", "summary": "The agent.", "kind": "agent", "enabled_by_default": true,
         "metrics": [], "configuration_markdown": "", "configuration_toml": ""}
    ]"#;

    pub(in super::super) fn facts() -> Facts {
        let mut plugins = Vec::new();
        add(&mut plugins, Binary::Agent, LIST).unwrap();
        Facts {
            plugins,
            configuration: "## Keys\n\n| `poll_interval` |\n".to_owned(),
        }
    }

    #[test]
    fn the_list_of_the_agent_is_understood() {
        let facts = facts();
        assert_eq!(facts.plugins[0].metrics[0].attributes, ["window=1m|5m"]);
        assert_eq!(facts.plugins[1].id, AGENT_ITSELF);
        assert_eq!(facts.plugins[0].enabled_in, [Binary::Agent]);
        assert!(add(&mut Vec::new(), Binary::Agent, "[{}]").is_err());
    }

    #[test]
    fn a_plugin_of_both_binaries_says_where_it_is_on() {
        let mut all = facts().plugins;
        add(&mut all, Binary::Server, LIST).unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].enabled_in, [Binary::Agent, Binary::Server]);
    }
}
