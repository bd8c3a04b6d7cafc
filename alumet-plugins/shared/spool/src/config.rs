//! Where a spool is and how much it may hold.

use std::path::PathBuf;
use std::time::Duration;

/// Where a spool is and how much it may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolConfig {
    /// The file; its folder is made if it is missing. `None` keeps everything in memory. Default: `None`.
    pub path: Option<PathBuf>,
    /// How many bytes the waiting records may take on disk. Beyond it, the oldest are dropped. The file is a little
    /// larger, by at most what SQLite needs to find its way and the journal of a few megabytes. Default: 1 GiB.
    pub max_bytes: u64,
    /// How long a record may wait, counted from when it was appended. Default: 30 days.
    pub max_age: Duration,
    /// How many bytes of records are kept in memory: those that are not on disk yet, and in a quarter of it the newest that wait, so
    /// that an output that keeps up never reads the disk. While the disk fails, this is all there is. Default: 16 MiB.
    pub memory_bytes: usize,
    /// The shortest time between two transactions: what is appended meanwhile is written at once. The first record
    /// after a pause does not wait, and neither do 256 KiB. Default: 50 ms.
    pub commit_interval: Duration,
    /// How long to wait after the disk has failed until the next attempt. It doubles with each failure, to at most
    /// thirty times this. Default: 1 s.
    pub retry_interval: Duration,
    /// The root of the system, where `etc/machine-id` says which machine this is. Default: `/`.
    pub root: PathBuf,
}

impl Default for SpoolConfig {
    fn default() -> Self {
        Self {
            path: None,
            max_bytes: 1 << 30,
            max_age: Duration::from_secs(30 * 24 * 60 * 60),
            memory_bytes: 16 << 20,
            commit_interval: Duration::from_millis(50),
            retry_interval: Duration::from_secs(1),
            root: PathBuf::from("/"),
        }
    }
}
