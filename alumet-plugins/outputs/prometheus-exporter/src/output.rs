//! The output: samples change what the next scrape shows.

use std::sync::Arc;

use alumet_core::Failure;
use alumet_core::output::{Delivering, Delivery, Output};
use parking_lot::Mutex;

use crate::store::Store;

/// Keeps the store up to date.
#[derive(Debug)]
pub(crate) struct ExporterOutput {
    pub(crate) store: Arc<Mutex<Store>>,
}

impl Output for ExporterOutput {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        // A scrape makes this thread wait, and nobody who measures: samples wait in the queue meanwhile.
        Ok(Delivering::Done(self.store.lock().update(delivery)))
    }
}
