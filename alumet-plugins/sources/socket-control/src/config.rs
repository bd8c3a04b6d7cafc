//! What the table `[plugins.socket-control]` holds.

use std::path::PathBuf;

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::socket_file::PATH_LIMIT;

/// Where the agent listens, and to how many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// The socket, relative to the working directory; at most 107 bytes. Its folder must exist. Only the user of the agent
    /// and root may connect.
    pub socket_path: PathBuf,
    /// How many may be connected at once. One more takes the place of the one that has been idle for longest; while all are
    /// being answered, it is refused with a message.
    pub max_connections: usize,
    /// A connection without a complete command for this long is closed.
    pub idle_timeout: HumanDuration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            socket_path: PathBuf::from("alumet-control.sock"),
            max_connections: 16,
            idle_timeout: HumanDuration::from_secs(300),
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
        let length = self.socket_path.as_os_str().len();
        if length == 0 {
            faults.add("socket_path", "name a file, for example \"alumet-control.sock\"");
        } else if length > PATH_LIMIT {
            let message = format!(
                "the path has {length} bytes, but a socket can have at most {PATH_LIMIT}; choose a shorter one"
            );
            faults.add("socket_path", message);
        }
        if self.max_connections == 0 {
            let message =
                "nobody could connect; allow at least 1, or switch the plugin off with `enabled = false`";
            faults.add("max_connections", message);
        }
        faults.refuse_zero("idle_timeout", *self.idle_timeout);
        faults.or_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_values_are_refused_with_their_key() {
        let default = Config::default;
        let wrong = [
            (
                "socket_path",
                Config {
                    socket_path: PathBuf::new(),
                    ..default()
                },
            ),
            (
                "socket_path",
                Config {
                    socket_path: "x".repeat(108).into(),
                    ..default()
                },
            ),
            (
                "max_connections",
                Config {
                    max_connections: 0,
                    ..default()
                },
            ),
            (
                "idle_timeout",
                Config {
                    idle_timeout: HumanDuration::from_secs(0),
                    ..default()
                },
            ),
        ];
        for (key, config) in wrong {
            assert_eq!(config.check().unwrap_err().keys(), [key]);
        }
        let longest = Config {
            socket_path: "x".repeat(107).into(),
            ..default()
        };
        assert_eq!(longest.check(), Ok(()));
    }
}
