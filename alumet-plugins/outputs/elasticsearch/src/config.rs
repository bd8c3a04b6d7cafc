//! What the table `[plugins.elasticsearch]` holds.

use alumet_core::output::QueuePolicy;
use alumet_core::plugin::Faults;
use alumet_shared_http_delivery::HttpConfig;
use alumet_shared_trust::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::index;

/// Where samples are written, and into which indices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// The address of the server, with the path below which it is reached, if there is one:
    /// `"https://search.example/elastic"`.
    pub server_url: String,
    /// What the names of indices begin with: `alumet` for `alumet-cpu_time`.
    pub index_prefix: String,
    /// Whether the names of indices end in the unit of their metric: `alumet-cpu_time-ms`.
    pub metric_unit_as_index_suffix: bool,
    /// Whether new indices are those of data streams, which the server rolls over.
    pub data_streams: bool,
    /// Whether the template `<index_prefix>_index_template` is written, which gives new indices their types.
    pub ensure_template: bool,
    /// Whether each document has the fields `metric`, `metric_unit` and `metric_kind`, and `metric_quality` if it was not
    /// measured.
    pub describe_metrics: bool,
    /// An API key of Elasticsearch, as the server shows it under `encoded`. One in a file: `token_file`, with
    /// `token_scheme = "ApiKey"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["${ELASTIC_API_KEY}"]))]
    pub api_key: Option<Secret>,
    /// How this program speaks with the server.
    #[serde(flatten)]
    pub http: HttpConfig,
    /// How samples wait for this output.
    pub queue: QueuePolicy,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server_url: "http://localhost:9200".to_owned(),
            index_prefix: "alumet".to_owned(),
            metric_unit_as_index_suffix: false,
            data_streams: false,
            ensure_template: true,
            describe_metrics: true,
            api_key: None,
            http: HttpConfig::default(),
            queue: QueuePolicy::default(),
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
        self.http().check("server_url", &self.server_url, &mut faults);
        if self.api_key.is_some() && (self.http.token.is_some() || self.http.token_file.is_some()) {
            faults.add("api_key", "write either an API key or a token");
        }
        if !index::is_prefix(&self.index_prefix) {
            faults.add(
                "index_prefix",
                "write up to 100 lower-case letters, digits, `-`, `_` and `.`, and begin with a letter or digit",
            );
        }
        self.queue.check("queue", &mut faults);
        faults.or_ok()
    }

    /// How this program speaks with the server. To it, an API key is a token.
    pub(crate) fn http(&self) -> HttpConfig {
        let mut http = self.http.clone();
        if let Some(key) = &self.api_key {
            http.token = Some(key.clone());
            http.token_scheme = Some("ApiKey".to_owned());
            http.token_file = None;
        }
        http
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_contradicts_itself_is_refused_with_its_key_and_without_secrets() {
        for (toml, key) in [
            ("server_url = 'server'", "server_url"),
            ("index_prefix = ''", "index_prefix"),
            ("index_prefix = 'Alumet'", "index_prefix"),
            ("index_prefix = '_a'", "index_prefix"),
            ("index_prefix = 'a*'", "index_prefix"),
            ("api_key = 'hunter2'\ntoken = 'x'", "api_key"),
            ("api_key = 'hunter2'\ntoken_file = 'x'", "api_key"),
            ("api_key = 'hunter2'\nuser = 'a'\npassword = 'x'", "token"),
            ("queue.capacity = 0", "queue.capacity"),
        ] {
            let config: Config = toml::from_str(toml).unwrap();
            let faults = config.check().unwrap_err();
            assert_eq!(faults.keys(), [key], "{toml}");
            assert!(!format!("{faults} {config:?}").contains("hunter2"), "{faults}");
        }
        let config: Config = toml::from_str("index_prefix = 'site-1.a_b'\napi_key = 'k'").unwrap();
        assert_eq!(config.check(), Ok(()));
    }
}
