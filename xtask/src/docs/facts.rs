//! The facts, which the binaries know about themselves and their plugins.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::binary::Binary;
use crate::step::Step;

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
        let lists = Binary::ALL.map(|binary| {
            let list = run(binary).with(["plugins", "list", "--json"]).output(root)?;
            parse(binary, &list)
        });
        let reference = run(Binary::Agent).with(["config", "reference", "--markdown"]);
        Ok(Self {
            plugins: merged(lists.into_iter().collect::<Result<_>>()?),
            configuration: reference.output(root)?,
        })
    }
}

/// The command that builds and runs a binary with all plugins.
fn run(binary: Binary) -> Step {
    Step::cargo("run -q --all-features -p").with([binary.name(), "--"])
}

fn parse(binary: Binary, list: &str) -> Result<Vec<Plugin>> {
    let mut plugins: Vec<Plugin> = serde_json::from_str(list).with_context(|| {
        format!(
            "`{} plugins list --json` printed something unexpected",
            binary.name()
        )
    })?;
    for plugin in plugins.iter_mut().filter(|plugin| plugin.enabled_by_default) {
        plugin.enabled_in.push(binary);
    }
    Ok(plugins)
}

/// The plugins of the first binary, which has all of them, with what the others add about them.
fn merged(lists: Vec<Vec<Plugin>>) -> Vec<Plugin> {
    let mut lists = lists.into_iter();
    let mut all = lists.next().unwrap_or_default();
    for plugin in lists.flatten() {
        if let Some(same) = all.iter_mut().find(|one| one.id == plugin.id) {
            same.enabled_in.extend(plugin.enabled_in);
        }
    }
    all
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
        Facts {
            plugins: parse(Binary::Agent, LIST).unwrap(),
            configuration: "## Keys\n\n| `poll_interval` |\n".to_owned(),
        }
    }

    #[test]
    fn the_list_of_the_agent_is_understood() {
        let facts = facts();
        assert_eq!(facts.plugins[0].metrics[0].attributes, ["window=1m|5m"]);
        assert_eq!(facts.plugins[1].id, AGENT_ITSELF);
        assert_eq!(facts.plugins[0].enabled_in, [Binary::Agent]);
        assert!(parse(Binary::Agent, "[{}]").is_err());
    }

    #[test]
    fn a_plugin_of_both_binaries_says_where_it_is_on() {
        let list = |binary| parse(binary, LIST).unwrap();
        let all = merged(vec![list(Binary::Agent), list(Binary::Server)]);
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].enabled_in, [Binary::Agent, Binary::Server]);
    }
}
