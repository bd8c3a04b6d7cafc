//! The samples of the source about itself.

use std::sync::atomic::{AtomicU64, Ordering};

use alumet_core::batch::Batch;
use alumet_core::catalog::Catalog;
use alumet_core::plugin::StartError;
use alumet_core::series::Series;
use alumet_core::time::Timestamp;
use alumet_core::{Consumer, Resource};

use crate::metrics;

/// What was counted since the last report.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) duplicates: AtomicU64,
    pub(crate) dead_letters: AtomicU64,
    /// All messages that were taken.
    pub(crate) taken: AtomicU64,
}

/// The series of reports.
#[derive(Debug)]
pub(crate) struct Report {
    pending: Series<u64>,
    duplicates: Series<u64>,
    dead_letters: Series<u64>,
    has_begun: bool,
}

impl Report {
    /// Registers the series.
    ///
    /// # Errors
    /// When a metric of that name is another one.
    pub(crate) fn register(catalog: &Catalog) -> Result<Self, StartError> {
        let series = |metric| {
            catalog
                .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
                .register()
        };
        Ok(Self {
            pending: series(catalog.metric(&metrics::NATS_PENDING_MESSAGES)?),
            duplicates: series(catalog.metric(&metrics::NATS_DUPLICATES)?),
            dead_letters: series(catalog.metric(&metrics::NATS_DEAD_LETTERS)?),
            has_begun: false,
        })
    }

    /// Pushes what there is to tell.
    pub(crate) fn push(&mut self, counts: &Counts, pending: u64, now: Timestamp, batch: &mut Batch) {
        batch.push(&self.pending, now, pending);
        for (series, count) in [
            (&self.duplicates, &counts.duplicates),
            (&self.dead_letters, &counts.dead_letters),
        ] {
            // A series begins with a 0 at the instant from which it counts.
            let value = if self.has_begun {
                count.swap(0, Ordering::Relaxed)
            } else {
                0
            };
            batch.push(series, now, value);
        }
        self.has_begun = true;
    }
}
