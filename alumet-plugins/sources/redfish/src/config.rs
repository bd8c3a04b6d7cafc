//! What the table `[plugins.redfish]` holds.

use std::time::Duration;

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use alumet_shared_http_delivery::HttpConfig;
use globset::{Glob, GlobSet, GlobSetBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which management controller is asked, how often, and for what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// The address of the management controller. Left out: nothing is measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["https://bmc.example"]))]
    pub url: Option<String>,
    /// How the user proves who it is.
    pub login: Login,
    /// The chassis that are measured, by their `Id`, in which `*` stands for any text.
    pub chassis: Vec<String>,
    /// Time between two rounds of questions. Controllers are slow, and many measure only every few seconds.
    pub poll_interval: HumanDuration,
    /// How this program speaks with the controller.
    #[serde(flatten)]
    pub http: HttpConfig,
}

/// How the user proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Login {
    /// With the password once, at the beginning of a session, which ends with the program.
    #[default]
    Session,
    /// With the password in each request, for controllers without sessions.
    Basic,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: None,
            login: Login::Session,
            chassis: vec!["*".to_owned()],
            poll_interval: HumanDuration::from_secs(10),
            http: HttpConfig::default(),
        }
    }
}

/// More often than this, a controller is busy with nothing else.
const SHORTEST: Duration = Duration::from_millis(100);

impl Config {
    /// Refuses what types cannot.
    ///
    /// # Errors
    /// The keys that are wrong and what would be right.
    pub(crate) fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        if let Some(url) = &self.url {
            self.http.check("url", url, &mut faults);
        }
        faults.keep(self.wanted());
        faults.refuse_often("poll_interval", *self.poll_interval, SHORTEST);
        faults.or_ok()
    }

    /// What the `Id` of a chassis is compared with.
    ///
    /// # Errors
    /// The patterns that cannot be understood.
    pub(crate) fn wanted(&self) -> Result<GlobSet, Faults> {
        let mut faults = Faults::default();
        let mut wanted = GlobSetBuilder::new();
        for pattern in &self.chassis {
            match Glob::new(pattern) {
                Ok(glob) => drop(wanted.add(glob)),
                Err(error) => faults.add("chassis", format!("{error}; write for example [\"*\"]")),
            }
        }
        if self.chassis.is_empty() {
            faults.add("chassis", "no chassis would be measured; write [\"*\"] for all");
        }
        faults.or_ok()?;
        wanted.build().map_err(|error| {
            let mut faults = Faults::default();
            faults.add("chassis", error.to_string());
            faults
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_values_are_refused_with_their_key() {
        for (toml, key) in [
            ("url = 'bmc'", "url"),
            ("url = 'https://bmc'\nuser = 'a'", "user"),
            ("chassis = []", "chassis"),
            ("chassis = ['[']", "chassis"),
            ("poll_interval = '10ms'", "poll_interval"),
        ] {
            let config: Config = toml::from_str(toml).unwrap();
            assert_eq!(config.check().unwrap_err().keys(), [key], "{toml}");
        }
    }
}
