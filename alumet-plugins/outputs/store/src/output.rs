//! The output: samples come in, and are in the file.

use std::sync::Arc;

use alumet_core::Failure;
use alumet_core::output::{Delivering, Delivery, Output, Receipt};
use alumet_core::pipeline::{AddToStatus, PipelineStatus};
use alumet_shared_query::Backend;
use alumet_shared_series_store::SeriesStore;
use alumet_shared_sqlite_file::DiskError;

/// Appends samples to a store.
pub(crate) struct StoreOutput {
    store: Arc<SeriesStore>,
    /// Kept as long as the output is there, and so are what they tell.
    _backend: Arc<dyn Backend>,
    _health: Arc<Health>,
    /// Whether the content of the file made no sense.
    is_damaged: bool,
}

/// What keeps the store from being whole.
pub(crate) struct Health(pub(crate) Arc<SeriesStore>);

impl AddToStatus for Health {
    fn add_to(&self, status: &mut PipelineStatus) {
        status.obstacles.extend(self.0.problems());
    }
}

impl StoreOutput {
    pub(crate) fn new(store: Arc<SeriesStore>, backend: Arc<dyn Backend>, health: Arc<Health>) -> Self {
        Self {
            store,
            _backend: backend,
            _health: health,
            is_damaged: false,
        }
    }

    fn failure(&mut self, error: DiskError) -> Failure {
        self.is_damaged = error.is_damage();
        match self.is_damaged {
            true => Failure::restart(error),
            false => Failure::retry(error),
        }
    }
}

impl Output for StoreOutput {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        let refused = self.store.append(delivery.catalog(), delivery.samples());
        let refused = refused.map_err(|error| self.failure(error))?;
        let mut receipt = Receipt::all();
        for place in refused {
            receipt.reject(
                place,
                "it is older than all that the store keeps, or more than a day ahead of the clock",
            );
        }
        Ok(Delivering::Done(receipt))
    }

    /// Nothing has to be taken back after a crash, whatever comes again: a sample that is there already is replaced by itself. So the
    /// position says only that there is one.
    fn checkpoint(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        self.store.commit().map_err(|error| self.failure(error))?;
        Ok(Some(b"committed".to_vec()))
    }

    fn reset(&mut self) {
        if std::mem::take(&mut self.is_damaged)
            && let Err(error) = self.store.begin_anew()
        {
            // The next delivery fails again.
            self.failure(error);
        }
    }
}
