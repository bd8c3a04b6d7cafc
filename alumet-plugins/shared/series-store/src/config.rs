use std::path::PathBuf;
use std::time::Duration;

/// Where a store is, and how long it keeps what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// The file; its folder is made if it is missing.
    pub path: PathBuf,
    /// How long samples are kept. Default: 7 days.
    pub raw: Duration,
    /// How long it is kept what samples come to in each minute. Default: 90 days.
    pub minute: Duration,
    /// How long it is kept what samples come to in each hour. Default: 730 days.
    pub hour: Duration,
    /// How many bytes the file may have, about; beyond it, the oldest goes first: samples, then minutes, then hours. Default:
    /// no bound.
    pub max_bytes: Option<u64>,
    /// How many instants are kept of each graphics processor: the newest. Default: no bound.
    pub max_entries_per_gpu: Option<usize>,
}

impl StoreConfig {
    /// The defaults, for this file.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Self {
            path: path.into(),
            raw: Duration::from_secs(7 * DAY),
            minute: Duration::from_secs(90 * DAY),
            hour: Duration::from_secs(730 * DAY),
            max_bytes: None,
            max_entries_per_gpu: None,
        }
    }
}
