//! What the table `[plugins.csv-replay]` holds.

use std::path::PathBuf;

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which file is replayed, how fast, and which of its rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// The CSV file. It may grow, and it may be replaced, by another one that is renamed to this name.
    pub path: PathBuf,
    /// How many workers send rows.
    pub workers: u32,
    /// How many rows each worker sends per second; `0.1` is one in ten seconds.
    pub rate: f64,
    /// Which rows a worker sends.
    pub worker_mode: WorkerMode,
    /// Whether the file begins again after its end. Otherwise, the source ends there.
    #[serde(rename = "loop")]
    pub repeat: bool,
    /// How long it is replayed; then the source ends. Left out: as long as the program runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["10m"]))]
    pub duration: Option<HumanDuration>,
    /// Which time samples have.
    pub timestamp: TimestampMode,
    /// Only rows of these hosts are sent, in upper or lower case: a list, or names with commas between them, such as
    /// `"${NODE_NAME}"`. Empty: the environment variable `HOSTNAME_LIST`, with commas, or all if that is empty, too.
    pub host_filter: Hosts,
    /// What is sent if the file has no row of these hosts.
    pub on_no_match: NoMatch,
    /// The column that names the GPU. Left out: `uuid`, and where that is empty or missing, `gpu_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["card"]))]
    pub id_column: Option<String>,
    /// The column that names the host. Left out: `hostname`, `host` or `node`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["machine"]))]
    pub host_column: Option<String>,
    /// The column with the time (RFC 3339). Left out: `timestamp` or `time`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["when"]))]
    pub time_column: Option<String>,
    /// Time between two looks at which rows are due. It changes nothing about their times.
    pub poll_interval: HumanDuration,
}

/// Which rows a worker sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WorkerMode {
    /// The workers take turns, so that each row is sent once.
    #[default]
    Partition,
    /// Each worker sends all rows, for load tests; only with `timestamp = "now"`, which gives each copy a time of its own.
    Replicate,
}

/// Which time samples have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TimestampMode {
    /// That at which the row was due.
    #[default]
    Now,
    /// That of the row; only with `loop = false`, because a second pass would give the same samples again.
    Original,
    /// That of the row, moved so that each pass begins when its first row is due, or where the pass before it ended.
    Shift,
}

/// What is sent if no row matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NoMatch {
    /// All rows.
    #[default]
    All,
    /// Nothing.
    None,
}

/// Names of hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum Hosts {
    /// With commas between them.
    Text(String),
    /// As a list, of which each may be several with commas between them.
    List(Vec<String>),
}

impl Hosts {
    /// The names; if there are none, those in `fallback`, with commas between them.
    pub(crate) fn names(&self, fallback: Option<String>) -> Vec<String> {
        let texts = match self {
            Self::Text(text) => std::slice::from_ref(text),
            Self::List(list) => list,
        };
        let names = |texts: &[String]| -> Vec<String> {
            let parts = texts.iter().flat_map(|text| text.split(','));
            let names = parts.map(str::trim).filter(|name| !name.is_empty());
            names.map(str::to_owned).collect()
        };
        match names(texts) {
            none if none.is_empty() => names(fallback.as_slice()),
            some => some,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: "telemetry.csv".into(),
            workers: 2,
            rate: 10.0,
            worker_mode: WorkerMode::Partition,
            repeat: true,
            duration: None,
            timestamp: TimestampMode::Now,
            host_filter: Hosts::List(Vec::new()),
            on_no_match: NoMatch::All,
            id_column: None,
            host_column: None,
            time_column: None,
            poll_interval: HumanDuration::from_millis(100),
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
        if self.path.as_os_str().is_empty() {
            faults.add("path", "write the path of a CSV file");
        }
        if self.workers == 0 {
            faults.add("workers", "nobody would send anything; write 1 or more");
        }
        if !(self.rate > 0.0 && self.rate.is_finite()) {
            faults.add(
                "rate",
                "write how many rows each worker sends per second: more than 0, for example 10.0",
            );
        }
        if self.worker_mode == WorkerMode::Replicate && self.timestamp != TimestampMode::Now {
            faults.add(
                "worker_mode",
                "all copies of a row would be the same sample; write `timestamp = \"now\"`",
            );
        }
        if self.repeat && self.timestamp == TimestampMode::Original {
            faults.add(
                "timestamp",
                "each pass would give the samples of the first one again; write `loop = false`, or \"shift\"",
            );
        }
        if let Some(duration) = self.duration {
            faults.refuse_zero("duration", *duration);
        }
        faults.refuse_polls("poll_interval", *self.poll_interval);
        faults.or_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_values_are_refused_with_their_key() {
        for (toml, key) in [
            ("path = ''", "path"),
            ("workers = 0", "workers"),
            ("rate = 0", "rate"),
            ("rate = -1.0", "rate"),
            ("rate = nan", "rate"),
            ("rate = inf", "rate"),
            ("rate = 1e-400", "rate"),
            ("worker_mode = 'replicate'\ntimestamp = 'shift'", "worker_mode"),
            ("timestamp = 'original'", "timestamp"),
            ("duration = '0s'", "duration"),
            ("poll_interval = '0s'", "poll_interval"),
        ] {
            let config: Config = toml::from_str(toml).unwrap();
            assert_eq!(config.check().unwrap_err().keys(), [key], "{toml}");
        }
        let once: Config = toml::from_str("timestamp = 'original'\nloop = false\nrate = 1").unwrap();
        assert_eq!(once.check(), Ok(()));
    }

    #[test]
    fn hosts_come_from_the_key_or_else_from_the_environment() {
        for (toml, fallback, names) in [
            ("host_filter = 'a, b,'", Some("c"), &["a", "b"][..]),
            ("host_filter = ['a', 'b,c']", None, &["a", "b", "c"]),
            ("host_filter = ['']", Some("c,d"), &["c", "d"]),
            ("", Some("c"), &["c"]),
            ("", None, &[]),
        ] {
            let config: Config = toml::from_str(toml).unwrap();
            assert_eq!(
                config.host_filter.names(fallback.map(str::to_owned)),
                names,
                "{toml}"
            );
        }
    }
}
