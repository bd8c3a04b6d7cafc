//! The facts, which the agent knows about itself and its plugins.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

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
    pub(super) enabled_by_default: bool,
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
    /// Builds the agent with all plugins and asks it.
    pub(super) fn of_agent(root: &Path) -> Result<Self> {
        let agent = Step::cargo("run -q -p alumet-agent --all-features --");
        let list = agent.clone().with(["plugins", "list", "--json"]).output(root)?;
        let configuration = agent.with(["config", "reference", "--markdown"]).output(root)?;
        Ok(Self {
            plugins: parse(&list)?,
            configuration,
        })
    }
}

fn parse(list: &str) -> Result<Vec<Plugin>> {
    serde_json::from_str(list).context("`alumet-agent plugins list --json` printed something unexpected")
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
            plugins: parse(LIST).unwrap(),
            configuration: "## Keys\n\n| `poll_interval` |\n".to_owned(),
        }
    }

    #[test]
    fn the_list_of_the_agent_is_understood() {
        let facts = facts();
        assert_eq!(facts.plugins[0].metrics[0].attributes, ["window=1m|5m"]);
        assert_eq!(facts.plugins[1].id, AGENT_ITSELF);
        assert!(parse("[{}]").is_err());
    }
}
