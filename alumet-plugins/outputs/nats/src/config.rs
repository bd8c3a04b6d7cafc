//! What the table `[plugins.nats]` holds.

use alumet_core::plugin::{Faults, StartError};
use alumet_shared_nats::{ConnectionConfig, StreamConfig, check_prefix};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where samples are sent, as what, and as whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Where the servers are, and who this program is to them.
    #[serde(flatten)]
    pub connection: ConnectionConfig,
    /// The stream that keeps the messages until they are taken.
    pub stream: StreamConfig,
    /// The name of this node. Without it, the name of the host. Samples that have an attribute `node` are of that node.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["node-17"]))]
    pub client_name: Option<String>,
    /// What each subject begins with.
    pub subject_prefix: String,
    /// What has a subject of its own.
    pub subjects: Subjects,
    /// What a message holds.
    pub format: Format,
}

/// What has a subject of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Subjects {
    /// Each node: `telemetry.node.<node>`.
    #[default]
    Node,
    /// Each GPU: `telemetry.gpu.<uuid>`. What is no GPU goes to the subject of its node.
    Gpu,
}

/// What a message holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A batch with everything that is known of its samples, for `nats-input`.
    #[default]
    Batch,
    /// What was measured of one thing at one instant, as JSON, for any program. It says nothing of units and kinds.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connection: ConnectionConfig::default(),
            stream: StreamConfig::default(),
            client_name: None,
            subject_prefix: "telemetry".to_owned(),
            subjects: Subjects::default(),
            format: Format::default(),
        }
    }
}

impl Config {
    /// Refuses what types cannot.
    ///
    /// # Errors
    /// The keys that are wrong and what would be right.
    pub(crate) fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        self.connection.check(&mut faults);
        self.stream.check("stream", &mut faults);
        check_prefix(&self.subject_prefix, "subject_prefix", &mut faults);
        if self
            .client_name
            .as_ref()
            .is_some_and(|name| name.is_empty() || name.len() > 253 || name.contains(char::is_control))
        {
            faults.add("client_name", "write 1 to 253 bytes without line ends");
        }
        faults.or_ok()
    }

    /// The name of this node.
    ///
    /// # Errors
    /// When the host has none that could be used.
    pub(crate) fn node(&self) -> Result<String, StartError> {
        if let Some(name) = &self.client_name {
            return Ok(name.clone());
        }
        let name = nix::unistd::gethostname()
            .ok()
            .and_then(|name| name.into_string().ok());
        name.filter(|name| !name.is_empty() && !name.contains(char::is_control))
            .ok_or_else(|| StartError::new("this host has no name that could be sent; set `client_name`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_refused_with_its_key() {
        for (toml, key) in [
            ("servers = []", "servers"),
            ("stream = { replicas = 4 }", "stream.replicas"),
            ("subject_prefix = 'a b'", "subject_prefix"),
            ("client_name = \"a\\nb\"", "client_name"),
            ("client_name = ''", "client_name"),
        ] {
            let config: Config = toml::from_str(toml).unwrap();
            assert_eq!(config.check().unwrap_err().keys(), [key], "{toml}");
        }
        assert_eq!(Config::default().check(), Ok(()));
    }
}
