//! Samples on their way to those who watch.

use std::sync::Arc;

use alumet_core::{Timestamp, Value};
use alumet_shared_query::Identity;
use tokio::sync::broadcast::{Receiver, Sender, channel};

/// How many batches wait for a client that reads slowly; the oldest are dropped, and it is told how many.
const BATCHES: usize = 64;

/// Where samples are handed on. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Live(Sender<LiveBatch>);

/// What was delivered at once.
pub(crate) type LiveBatch = Arc<[LiveSample]>;

/// A sample with what it is about.
#[derive(Debug, Clone)]
pub(crate) struct LiveSample {
    /// Its series: the same allocation for each of its samples, as long as somebody watches.
    pub(crate) series: Arc<Identity>,
    pub(crate) at: Timestamp,
    pub(crate) value: Value,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self(channel(BATCHES).0)
    }

    /// Everything that is delivered from now on.
    pub(crate) fn watch(&self) -> Receiver<LiveBatch> {
        self.0.subscribe()
    }

    /// Whether somebody watches.
    pub(crate) fn is_watched(&self) -> bool {
        self.0.receiver_count() > 0
    }

    /// To all who watch.
    pub(crate) fn send(&self, batch: LiveBatch) {
        // That nobody watches any more is no failure.
        let _ = self.0.send(batch);
    }
}
