//! What the table `[plugins.store]` holds.

use std::path::PathBuf;

use alumet_core::duration::HumanDuration;
use alumet_core::output::QueuePolicy;
use alumet_core::plugin::Faults;
use alumet_core::size::ByteSize;
use alumet_shared_series_store::StoreConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where samples are stored, and how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// The file, relative to the working directory: a SQLite database. Its folder is made when it is missing. One program writes it.
    pub path: PathBuf,
    /// How long it is kept what was measured.
    pub retention: Retention,
    /// The most that the file may have, about. Beyond it, the oldest goes first, however old it is: samples, then minutes, then
    /// hours. Left out: no bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["10 GiB"]))]
    pub max_size: Option<ByteSize>,
    /// How many instants of each graphics processor are kept as samples: the newest. Left out: no bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [1000]))]
    pub max_entries_per_gpu: Option<usize>,
    /// How samples wait for this output.
    pub queue: QueuePolicy,
}

/// How long it is kept what was measured. What is older is dropped, an hour, a day or a month at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Retention {
    /// The samples as they were measured.
    pub raw: HumanDuration,
    /// What they come to in each minute: how many there are, their sum, the smallest, the largest, the first and the last. Not
    /// shorter than `raw`.
    pub minute: HumanDuration,
    /// What they come to in each hour. Not shorter than `minute`.
    pub hour: HumanDuration,
}

const DAY: u64 = 24 * 60 * 60;

impl Default for Retention {
    fn default() -> Self {
        Self {
            raw: HumanDuration::from_secs(7 * DAY),
            minute: HumanDuration::from_secs(90 * DAY),
            hour: HumanDuration::from_secs(730 * DAY),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: PathBuf::from("alumet-store.db"),
            retention: Retention::default(),
            max_size: None,
            max_entries_per_gpu: None,
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
        /// Room for the journal and what is being merged.
        const SMALLEST: u64 = 16 << 20;
        let mut faults = Faults::default();
        if self.path.as_os_str().is_empty() {
            faults.add("path", "name a file, for example \"alumet-store.db\"");
        }
        let Retention { raw, minute, hour } = self.retention;
        if raw.as_secs() < 3600 {
            faults.add(
                "retention.raw",
                "samples are kept for hours; set it to at least \"1h\"",
            );
        }
        if minute < raw {
            faults.add(
                "retention.minute",
                "minutes outlive samples; set it to at least `retention.raw`",
            );
        }
        if hour < minute {
            faults.add(
                "retention.hour",
                "hours outlive minutes; set it to at least `retention.minute`",
            );
        }
        if self.max_size.is_some_and(|size| size.0 < SMALLEST) {
            faults.add(
                "max_size",
                "there would be no room to work; set it to at least \"16 MiB\"",
            );
        }
        if self.max_entries_per_gpu == Some(0) {
            faults.add(
                "max_entries_per_gpu",
                "nothing would be kept; keep at least 1, or leave the key out to keep all",
            );
        }
        self.queue.check("queue", &mut faults);
        faults.or_ok()
    }

    pub(crate) fn store(&self) -> StoreConfig {
        StoreConfig {
            path: self.path.clone(),
            raw: *self.retention.raw,
            minute: *self.retention.minute,
            hour: *self.retention.hour,
            max_bytes: self.max_size.map(|size| size.0),
            max_entries_per_gpu: self.max_entries_per_gpu,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of a whole configuration file.
    fn table(file: &str) -> Config {
        let mut file: toml::Table = file.parse().unwrap();
        let mut plugins: toml::Table = file.remove("plugins").unwrap().try_into().unwrap();
        plugins.remove("store").unwrap().try_into().unwrap()
    }

    #[test]
    fn the_default_file_parses_to_the_default() {
        assert_eq!(table(include_str!("../config.toml")), Config::default());
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn every_key_that_the_default_file_comments_out_is_a_key() {
        let lines = include_str!("../config.toml").lines();
        let text: String = lines
            .map(|line| line.strip_prefix("#: ").unwrap_or(line))
            .flat_map(|line| [line, "\n"])
            .collect();
        let config = table(&text);
        assert_eq!(config.max_size, Some(ByteSize(10 << 30)));
        assert_eq!(config.max_entries_per_gpu, Some(1000));
        assert_eq!(config.check(), Ok(()));
    }

    #[test]
    fn a_value_that_cannot_work_is_refused_by_the_name_of_its_key() {
        for (text, key) in [
            ("path = ''", "path"),
            ("retention.raw = '30min'", "retention.raw"),
            ("retention.minute = '1d'", "retention.minute"),
            ("retention.hour = '1d'", "retention.hour"),
            ("max_size = '1 MiB'", "max_size"),
            ("max_entries_per_gpu = 0", "max_entries_per_gpu"),
            ("queue.capacity = 0", "queue.capacity"),
        ] {
            let config: Config = toml::from_str(text).unwrap();
            assert_eq!(config.check().unwrap_err().keys(), [key], "{text}");
        }
    }
}
