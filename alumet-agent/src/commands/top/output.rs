//! The output that keeps the latest samples in memory.

use std::sync::Arc;

use alumet_core::Failure;
use alumet_core::output::{Delivering, Delivery, Output};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::model::Model;

/// A model that an output feeds, and what says that it did.
#[derive(Clone)]
pub(super) struct Feed {
    pub(super) model: Arc<Mutex<Model>>,
    pub(super) came: Arc<Notify>,
}

impl Output for Feed {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        self.model.lock().take(delivery);
        self.came.notify_one();
        Ok(Delivering::done())
    }
}
