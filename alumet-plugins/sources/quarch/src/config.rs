//! What the table `[plugins.quarch]` holds.

use std::net::IpAddr;
use std::path::PathBuf;

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which module is asked, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// The address of the module. Left out: nothing is measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["172.17.30.102"]))]
    pub quarch_ip: Option<IpAddr>,
    /// Its port for commands.
    pub quarch_port: u16,
    /// Time between two samples.
    pub poll_interval: HumanDuration,
    /// Time between two hand-overs of samples to the outputs.
    pub flush_interval: HumanDuration,
    /// Has no effect any more: the module is asked without a Quarch Instrument Server (QIS).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qis_port: Option<u16>,
    /// Has no effect any more: no Java is started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub java_bin: Option<PathBuf>,
    /// Has no effect any more: no QIS is started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qis_jar_path: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            quarch_ip: None,
            quarch_port: 9760,
            poll_interval: HumanDuration::from_millis(150),
            flush_interval: HumanDuration::from_millis(1500),
            qis_port: None,
            java_bin: None,
            qis_jar_path: None,
        }
    }
}

impl Config {
    /// Refuses what types cannot.
    pub(crate) fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        if self.quarch_port == 0 {
            faults.add("quarch_port", "a port is at least 1; that of modules is 9760");
        }
        faults.refuse_polls("poll_interval", *self.poll_interval);
        faults.refuse_zero("flush_interval", *self.flush_interval);
        faults.or_ok()
    }

    /// The keys that have no effect any more.
    pub(crate) fn old_keys(&self) -> Vec<&'static str> {
        let keys = [
            ("qis_port", self.qis_port.is_some()),
            ("java_bin", self.java_bin.is_some()),
            ("qis_jar_path", self.qis_jar_path.is_some()),
        ];
        keys.into_iter()
            .filter_map(|(key, is_there)| is_there.then_some(key))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_values_are_refused_with_their_key() {
        for (toml, key) in [
            ("quarch_port = 0", "quarch_port"),
            ("poll_interval = '0s'", "poll_interval"),
            ("flush_interval = '0s'", "flush_interval"),
        ] {
            let config: Config = toml::from_str(toml).unwrap();
            assert_eq!(config.check().unwrap_err().keys(), [key], "{toml}");
        }
        assert!(toml::from_str::<Config>("quarch_ip = 'yeti'").is_err());
    }

    #[test]
    fn a_file_of_before_is_understood() {
        let text =
            "quarch_ip = '1.2.3.4'\nqis_port = 9780\njava_bin = 'path_to_java'\nqis_jar_path = 'path_to_qis'";
        let config: Config = toml::from_str(text).unwrap();
        assert_eq!(config.old_keys(), ["qis_port", "java_bin", "qis_jar_path"]);
        assert_eq!(config.check(), Ok(()));
    }
}
