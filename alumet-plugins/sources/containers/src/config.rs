//! What the table `[plugins.containers]` holds.

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use alumet_shared_cgroup_source::config::{CpuPercentBase, MeasurementConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is measured of containers, how often, and where their names come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Time between two measurements. New containers, and those that have just ended, are measured in between.
    pub poll_interval: HumanDuration,
    /// Gives the samples of other plugins about a container, or about a process in one, the attributes of the container.
    pub annotate_foreign_measurements: bool,
    /// Where names and images of containers that the kernel knows by an id come from.
    pub names: NameSource,
    /// The sockets of the engines. In a path `*` stands for the number of the user whose containers are asked for; paths without
    /// it are those of root. An empty list asks no engine of that sort.
    pub sockets: Sockets,
    /// What 100 % of `cpu_percent` means.
    pub cpu_percent_base: CpuPercentBase,
    /// How it is measured.
    #[serde(flatten)]
    pub measurement: MeasurementConfig,
}

/// Where names come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NameSource {
    /// From the sockets of the engines and from their files, when there is a container that needs it.
    #[default]
    Auto,
    /// Nobody is asked and no file of an engine is read: there are only ids.
    Never,
}

/// The sockets of the engines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Sockets {
    /// Those of Docker, or of a proxy that lets `GET /containers/json` and `GET /events` through.
    pub docker: Vec<String>,
    /// Those of Podman. The service that answers there is started by the first question and then stays; without a socket the
    /// names come from the files of Podman.
    pub podman: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            poll_interval: HumanDuration::from_secs(5),
            annotate_foreign_measurements: false,
            names: NameSource::default(),
            sockets: Sockets::default(),
            cpu_percent_base: CpuPercentBase::default(),
            measurement: MeasurementConfig::default(),
        }
    }
}

impl Default for Sockets {
    fn default() -> Self {
        let list = |paths: [&str; 2]| paths.map(str::to_owned).into();
        Self {
            docker: list(["/run/docker.sock", "/run/user/*/docker.sock"]),
            podman: list(["/run/podman/podman.sock", "/run/user/*/podman/podman.sock"]),
        }
    }
}

impl Config {
    /// Refuses what types cannot.
    ///
    /// # Errors
    /// The keys that are wrong and what would be right.
    pub fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        self.measurement.check(self.poll_interval, &mut faults);
        for (key, paths) in [("docker", &self.sockets.docker), ("podman", &self.sockets.podman)] {
            for (index, path) in paths.iter().enumerate() {
                if !path.starts_with('/') || path.matches('*').count() > 1 {
                    let message = format!(
                        "{path:?} is no socket: write an absolute path with at most one `*`, such as \"/run/user/*/docker.sock\""
                    );
                    faults.add(&format!("sockets.{key}.{index}"), message);
                }
            }
        }
        faults.or_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_with_its_key() {
        for (text, key) in [
            ("poll_interval = '0s'", "poll_interval"),
            ("sockets.docker = ['/a', 'unix:///b']", "sockets.docker.1"),
            ("sockets.podman = ['/*/*']", "sockets.podman.0"),
        ] {
            let config: Config = toml::from_str(text).unwrap();
            assert_eq!(config.check().unwrap_err().keys(), [key], "{text}");
        }
    }
}
