//! What the table `[plugins.kwollect-output]` holds.

use alumet_core::output::QueuePolicy;
use alumet_core::plugin::Faults;
use alumet_shared_grid5000::SITE;
use alumet_shared_http_delivery::HttpConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where samples are pushed to, and what they are called there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Where metrics are pushed to. `{site}` is that of this machine, as its name says: `lyon` for
    /// `taurus-7.lyon.grid5000.fr`.
    pub url: String,
    /// The device that is measured. Left out: the name of this machine, up to its first dot.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["taurus-7"]))]
    pub hostname: Option<String>,
    /// Whether names of metrics end in their unit: `energy_J`.
    pub append_unit_to_metric_name: bool,
    /// Whether this unit is the symbol for people (`μs`), and not the UCUM code (`us`).
    pub use_unit_display_name: bool,
    /// How this program speaks with the server.
    #[serde(flatten)]
    pub http: HttpConfig,
    /// How samples wait for this output.
    pub queue: QueuePolicy,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: format!("https://api.grid5000.fr/stable/sites/{SITE}/metrics"),
            hostname: None,
            append_unit_to_metric_name: true,
            use_unit_display_name: true,
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
        self.http
            .check("url", &self.url.replace(SITE, "site"), &mut faults);
        if self.hostname.as_ref().is_some_and(String::is_empty) {
            faults.add("hostname", "write the name of a device, or leave it out");
        }
        self.queue.check("queue", &mut faults);
        faults.or_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_values_are_refused_with_their_key() {
        for (toml, key) in [
            ("url = 'server'", "url"),
            ("hostname = ''", "hostname"),
            ("queue.capacity = 0", "queue.capacity"),
        ] {
            let config: Config = toml::from_str(toml).unwrap();
            assert_eq!(config.check().unwrap_err().keys(), [key], "{toml}");
        }
        assert_eq!(Config::default().check(), Ok(()));
    }
}
