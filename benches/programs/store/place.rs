//! Where a store is, and when it has nothing to do.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alumet_core::time::{Clock, SystemClock};
use alumet_shared_series_store::{SeriesStore, StoreConfig};

/// In nanoseconds.
pub(crate) const SECOND: i64 = 1_000_000_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 3600 * SECOND;
pub(crate) const DAY: i64 = 24 * HOUR;

/// For how many days samples are kept.
pub(crate) const KEPT_DAYS: u64 = 60;

/// The store in this folder.
pub(crate) fn open(folder: &Path) -> SeriesStore {
    let config = StoreConfig {
        raw: Duration::from_secs(KEPT_DAYS * 86_400),
        ..StoreConfig::at(folder.join("store.db"))
    };
    SeriesStore::open(config, Arc::new(SystemClock)).expect("a store")
}

/// In nanoseconds since 1970.
pub(crate) fn now() -> i64 {
    SystemClock.now().wall.as_nanos()
}

/// How many bytes there are in a folder and those in it. Files may come and go.
pub(crate) fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

/// Waits until whoever writes there has nothing to do: nothing changes for so long.
pub(crate) fn settle<T: PartialEq>(quiet: Duration, state: impl Fn() -> T) {
    let mut last = (state(), Instant::now());
    while last.1.elapsed() < quiet {
        std::thread::sleep(Duration::from_millis(200));
        let state = state();
        if state != last.0 {
            last = (state, Instant::now());
        }
    }
}

/// The same of a store of this process.
pub(crate) fn settle_store(store: &SeriesStore, folder: &Path) {
    use alumet_shared_query::Backend;
    settle(Duration::from_secs(4), || (store.generation(), size(folder)));
}
