//! Event sources: tasks that push batches when something arrives.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::batch::Batch;
use crate::catalog::Catalog;
use crate::failure::Remedy;
use crate::source::EventSource;
use crate::time::Moment;

use super::element::ElementCell;
use super::message::Ingest;
use super::shared::{Shared, Worker};
use super::supervise::{Backoff, failed, guard_async, succeeded};

/// Where an event source sends its batches. Cheap to clone.
#[derive(Clone)]
pub struct EventSink {
    shared: Arc<Shared>,
    cell: Arc<ElementCell>,
}

/// The pipeline has stopped and takes no more samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the pipeline has stopped and takes no more samples")]
pub struct PipelineStopped;

impl EventSink {
    /// An empty batch to fill and send.
    pub fn batch(&self) -> Batch {
        self.shared.catalog.batch()
    }

    /// The catalog, to register series.
    pub fn catalog(&self) -> &Catalog {
        &self.shared.catalog
    }

    /// The present.
    pub fn now(&self) -> Moment {
        self.shared.clock.now()
    }

    /// Chooses what tells how much the source has done, while something waits for it, such as clients; `None` while nothing
    /// does. When that stays the same for long, the program is not ready and says why. It is asked for each status.
    pub fn on_status(&self, tell_done: impl Fn() -> Option<u64> + Send + Sync + 'static) {
        self.cell.set_tell_done(Box::new(tell_done));
    }

    /// Hands a batch on; waits while the pipeline is behind.
    ///
    /// # Errors
    /// When the pipeline has stopped; the samples count as dropped then.
    pub async fn send(&self, batch: Batch) -> Result<(), PipelineStopped> {
        let samples = batch.len();
        if !self.shared.is_wanted(&batch) {
            return Ok(());
        }
        {
            let mut ledger = self.shared.ledger.lock();
            ledger.polled(samples);
            ledger.handed_on(samples);
        }
        if self.shared.ingest.push_async(Ingest::Batch(batch)).await.is_err() {
            self.shared.ledger.lock().refused(samples);
            return Err(PipelineStopped);
        }
        succeeded(&self.cell, samples as u64, Duration::ZERO);
        Ok(())
    }
}

/// Runs an event source until it ends or `stop` is cancelled; after a failure it is run again.
pub(crate) fn spawn(
    mut source: Box<dyn EventSource>,
    cell: Arc<ElementCell>,
    stop: CancellationToken,
    shared: Arc<Shared>,
    runtime: &Handle,
) -> Worker {
    Worker::task(runtime, async move {
        let sink = EventSink {
            shared: Arc::clone(&shared),
            cell: Arc::clone(&cell),
        };
        while !stop.is_cancelled() {
            let result = guard_async(source.run(sink.clone(), stop.clone())).await;
            let Err(failure) = result else { break };
            let in_a_row = failed(&cell, &failure, 0, Duration::ZERO);
            if failure.remedy() == Remedy::End {
                break;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(Backoff::RESTART.after(in_a_row)) => {}
            }
        }
        drop(source);
        shared.source_ended(&cell);
    })
}
