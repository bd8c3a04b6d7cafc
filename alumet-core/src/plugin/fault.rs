use std::fmt;
use std::time::Duration;

use crate::duration::HumanDuration;
use crate::size::BYTES_PER_LINE;
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

    /// Adds a fault if something would be waited for no time, or for less than a millisecond.
    pub fn refuse_zero(&mut self, path: &str, duration: Duration) {
        if duration < Duration::from_millis(1) {
            self.add(
                path,
                "it must be longer than zero, and at least 1 ms, for example \"1s\"",
            );
        }
    }

    /// Adds a fault if a source would be polled more often than [`Schedule::SHORTEST`] allows, with the rate, and how much
    /// even one series would write.
    pub fn refuse_polls(&mut self, path: &str, interval: Duration) {
        let so_much = |rate: f64| {
            let minute = rate * 60.0 * BYTES_PER_LINE;
            format!(
                ", and even one series would write {:.0} MB a minute",
                minute / 1e6
            )
        };
        self.refuse_rate(path, interval, Schedule::SHORTEST, so_much);
    }

    /// Adds a fault if something would be done more often than every `shortest`, with the rate.
    pub fn refuse_often(&mut self, path: &str, interval: Duration, shortest: Duration) {
        self.refuse_rate(path, interval, shortest, |_| String::new());
    }

    fn refuse_rate(
        &mut self,
        path: &str,
        interval: Duration,
        shortest: Duration,
        so_much: impl Fn(f64) -> String,
    ) {
        if interval >= shortest {
            return;
        }
        let shortest = HumanDuration(shortest);
        if interval.is_zero() {
            let message = format!("an interval must be longer than zero; write at least \"{shortest}\"");
            return self.add(path, message);
        }
        let rate = interval.as_secs_f64().recip();
        let (often, so_much) = (HumanDuration(interval), so_much(rate));
        let message = format!(
            "every {often} would be {rate:.0} times a second{so_much}; write at least \"{shortest}\""
        );
        self.add(path, message);
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
