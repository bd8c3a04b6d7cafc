//! What the table `[plugins.kwollect-input]` holds.

use std::time::Duration;

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use alumet_shared_grid5000::SITE;
use alumet_shared_http_delivery::HttpConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is asked of which server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Where metrics are asked for. `{site}` is `site`, or that of this machine, as its name says.
    pub url: String,
    /// The site of Grid'5000. Left out: that of this machine, as its name says: `lyon` for `taurus-7.lyon.grid5000.fr`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["lyon"]))]
    pub site: Option<String>,
    /// The device that is measured. Left out: the name of this machine, up to its first dot.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["taurus-7"]))]
    pub hostname: Option<String>,
    /// The names of the metrics, as Kwollect has them: one, or a list.
    pub metrics: Names,
    /// Time between two questions, each for what is new. Kwollect has values some seconds after they were measured.
    pub poll_interval: HumanDuration,
    /// How this program speaks with the server.
    #[serde(flatten)]
    pub http: HttpConfig,
    /// Has no effect any more: times are asked for in seconds since 1970, and answers say their own time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utc_offset: Option<i32>,
}

/// One name, or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum Names {
    /// One.
    One(String),
    /// Several.
    More(Vec<String>),
}

impl Names {
    /// All of them.
    pub(crate) fn all(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::More(names) => names,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: format!("https://api.grid5000.fr/stable/sites/{SITE}/metrics"),
            site: None,
            hostname: None,
            metrics: Names::More(vec!["wattmetre_power_watt".to_owned()]),
            poll_interval: HumanDuration::from_secs(10),
            http: HttpConfig::default(),
            utc_offset: None,
        }
    }
}

/// More often than this, an answer has nothing new.
const SHORTEST: Duration = Duration::from_millis(100);

impl Config {
    /// Refuses what types cannot.
    ///
    /// # Errors
    /// The keys that are wrong and what would be right.
    pub(crate) fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        self.http
            .check("url", &self.url.replace(SITE, "site"), &mut faults);
        for (key, name) in [("site", &self.site), ("hostname", &self.hostname)] {
            if name.as_ref().is_some_and(|name| !is_name(name)) {
                faults.add(
                    key,
                    "write a name of letters, digits, `.`, `-` and `_`, or leave it out",
                );
            }
        }
        let names = self.metrics.all();
        if names.is_empty() || names.iter().any(|name| !is_name(name)) {
            faults.add("metrics", "write names such as [\"wattmetre_power_watt\"]");
        }
        faults.refuse_often("poll_interval", *self.poll_interval, SHORTEST);
        faults.or_ok()
    }
}

/// Whether it can stand in an address as it is.
fn is_name(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !text.is_empty() && text.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_values_are_refused_with_their_key() {
        for (toml, key) in [
            ("url = 'server'", "url"),
            ("site = 'a/b'", "site"),
            ("hostname = ''", "hostname"),
            ("metrics = []", "metrics"),
            ("metrics = ['a&b']", "metrics"),
            ("poll_interval = '1ms'", "poll_interval"),
        ] {
            let config: Config = toml::from_str(toml).unwrap();
            assert_eq!(config.check().unwrap_err().keys(), [key], "{toml}");
        }
    }

    #[test]
    fn a_file_of_before_is_understood() {
        let text = "site = 'lyon'\nhostname = 'taurus-7'\nmetrics = 'wattmetre_power_watt'\nutc_offset = 2";
        let config: Config = toml::from_str(text).unwrap();
        assert_eq!(config.check(), Ok(()));
        assert_eq!(config.metrics.all(), ["wattmetre_power_watt"]);
    }
}
