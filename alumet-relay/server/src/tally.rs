//! A delta series of the server: counted anywhere, told now and then.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use alumet_core::batch::Batch;
use alumet_core::series::Series;
use alumet_core::time::Timestamp;

/// What was counted since the last sample, and the series that tells it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    count: AtomicU64,
    series: OnceLock<Series<u64>>,
}

impl Tally {
    pub(crate) fn add(&self, amount: u64) {
        self.count.fetch_add(amount, Ordering::Relaxed);
    }

    /// What a sample would tell now.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Makes a sample of what was counted. With the first one the series begins: a 0 at the instant since which it counts.
    pub(crate) fn tell(
        &self,
        batch: &mut Batch,
        since: Timestamp,
        now: Timestamp,
        register: impl FnOnce() -> Series<u64>,
    ) {
        let series = self.series.get_or_init(|| {
            let series = register();
            batch.push(&series, since, 0);
            series
        });
        batch.push(series, now, self.count.swap(0, Ordering::Relaxed));
    }
}
