//! What the table `[plugins.opentelemetry]` holds.

use std::collections::BTreeMap;

use alumet_core::output::QueuePolicy;
use alumet_core::plugin::Faults;
use alumet_shared_http_delivery::HttpConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where samples are sent, and what becomes of them there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// The address of the collector: `"https://collector.example:4317"`.
    pub collector_host: String,
    /// How it is spoken with.
    pub protocol: Protocol,
    /// What stands before the name of each metric.
    pub prefix: String,
    /// What stands after the name of each metric.
    pub suffix: String,
    /// Whether units are written as people read them (`Wh`, `°C`) and not as the UCUM codes (`W.h`, `Cel`) that OpenTelemetry
    /// wants.
    pub use_unit_display_name: bool,
    /// Whether points have the attributes of their samples. Without them, series that differ in nothing else are mixed up.
    pub add_attributes_to_labels: bool,
    /// What points of delta metrics say.
    pub temporality: Temporality,
    /// Whether what means the same in the semantic conventions has the name, unit and attributes that it has there, such as
    /// `hw.energy`, `process.cpu.time` or `system.network.io`.
    pub semantic_names: bool,
    /// Attributes that each resource gets; an empty text removes one that it has otherwise.
    pub resource_attributes: BTreeMap<String, String>,
    /// The attribute of samples that says from which host they are, if they are not from this one.
    pub host_attribute: String,
    /// How this program speaks with the server.
    #[serde(flatten)]
    pub http: HttpConfig,
    /// How samples wait for this output.
    pub queue: QueuePolicy,
}

/// How a collector is spoken with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Protocol {
    /// OTLP/gRPC, most often on port 4317.
    #[default]
    Grpc,
    /// OTLP/HTTP with protocol buffers, most often on port 4318; `/v1/metrics` is appended to the address.
    Http,
}

/// What points of delta metrics say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Temporality {
    /// What was counted since the point before.
    #[default]
    Delta,
    /// What was counted since the first point, which is what Prometheus wants.
    Cumulative,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            collector_host: "http://localhost:4317".to_owned(),
            protocol: Protocol::Grpc,
            prefix: String::new(),
            suffix: "_alumet".to_owned(),
            use_unit_display_name: false,
            add_attributes_to_labels: true,
            temporality: Temporality::Delta,
            semantic_names: false,
            resource_attributes: BTreeMap::new(),
            host_attribute: "node".to_owned(),
            http: HttpConfig::default(),
            queue: QueuePolicy::default(),
        }
    }
}

impl Config {
    /// Refuses what types cannot.
    pub(crate) fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        self.http
            .check("collector_host", &self.collector_host, &mut faults);
        if self.resource_attributes.contains_key("") {
            faults.add("resource_attributes", "write a name for each");
        }
        self.queue.check("queue", &mut faults);
        faults.or_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_contradicts_itself_is_refused_with_its_key() {
        for (toml, key) in [
            ("collector_host = 'localhost:4317'", "collector_host"),
            ("resource_attributes = { '' = 'a' }", "resource_attributes"),
            ("queue.capacity = 0", "queue.capacity"),
        ] {
            let config: Config = toml::from_str(toml).unwrap();
            assert_eq!(config.check().unwrap_err().keys(), [key], "{toml}");
        }
    }
}
