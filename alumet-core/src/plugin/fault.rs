use std::fmt;
use std::time::Duration;

use crate::source::Schedule;

/// A key of a configuration has a value that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigFault {
    /// Path of the key below the table of the plugin: `["kernel", "poll_interval"]`; elements of lists by their number.
    pub key: Vec<String>,
    /// What is wrong and what would be right.
    pub message: String,
}

impl ConfigFault {
    /// A fault of the key at the dotted `path`.
    pub fn new(path: &str, message: impl Into<String>) -> Self {
        Self {
            key: path.split('.').map(str::to_owned).collect(),
            message: message.into(),
        }
    }
}

/// All faults of a configuration, so that one run tells them all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(Vec<ConfigFault>);

impl Faults {
    /// Adds a fault of the key at the dotted `path`.
    pub fn add(&mut self, path: &str, message: impl Into<String>) {
        self.0.push(ConfigFault::new(path, message));
    }

    /// Adds a fault if the interval is shorter than [`Schedule::SHORTEST`], or zero.
    pub fn refuse_zero(&mut self, path: &str, interval: Duration) {
        if interval < Schedule::SHORTEST {
            self.add(
                path,
                "an interval must be longer than zero, and at least 100 µs, for example \"1s\"",
            );
        }
    }

    /// Adds the faults of a part, or gives its value.
    pub fn keep<T>(&mut self, part: Result<T, impl Into<Self>>) -> Option<T> {
        part.map_err(|faults| self.0.extend(faults.into().0)).ok()
    }

    /// `Ok` if there is no fault.
    ///
    /// # Errors
    /// The faults.
    pub fn or_ok(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }

    /// The dotted paths of the keys.
    pub fn keys(&self) -> Vec<String> {
        self.0.iter().map(|fault| fault.key.join(".")).collect()
    }
}

impl From<ConfigFault> for Faults {
    fn from(fault: ConfigFault) -> Self {
        Self(vec![fault])
    }
}

impl IntoIterator for Faults {
    type Item = ConfigFault;
    type IntoIter = std::vec::IntoIter<ConfigFault>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Each key with its message.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for ConfigFault { key, message } in &self.0 {
            write!(f, "{separator}`{}`: {message}", key.join("."))?;
            separator = "; ";
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
