//! Outputs: what writes samples somewhere.

mod null;
mod recording;
mod stream;

use async_trait::async_trait;

use crate::batch::Batch;
use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::time::Moment;

pub use null::NullOutput;
pub use recording::{RecordedSample, Recording, RecordingOutput};
pub use stream::StreamOutput;

/// Writes batches, on a thread of its own.
pub trait Output: Send + 'static {
    /// Writes one batch.
    ///
    /// # Errors
    /// See [`Failure`]. After [`Remedy::Retry`](crate::failure::Remedy::Retry) the same batch comes again, so an
    /// output that wrote a part of it must remember how far it got or write the whole again without harm.
    fn write(&mut self, batch: &Batch, context: &OutputContext<'_>) -> Result<(), Failure>;

    /// Makes what was written visible to others; called when nothing more waits, on request and at the end.
    ///
    /// # Errors
    /// See [`Failure`].
    fn flush(&mut self, context: &OutputContext<'_>) -> Result<(), Failure> {
        let _ = context;
        Ok(())
    }

    /// Makes everything written so far survive a crash of the machine, and says where the output stands, if it can go
    /// back there; never with an empty answer. The spool keeps it. Called before the first write and now and then.
    ///
    /// # Errors
    /// See [`Failure`]; what was written is not forgotten by the spool then.
    fn checkpoint(&mut self, context: &OutputContext<'_>) -> Result<Option<Vec<u8>>, Failure> {
        self.flush(context)?;
        Ok(None)
    }

    /// Goes back to where the last [`Self::checkpoint`] of an earlier run was: what was written after it comes again.
    /// Called before the first write, unless the earlier run has ended in good order.
    ///
    /// # Errors
    /// See [`Failure`].
    fn resume(&mut self, position: &[u8], context: &OutputContext<'_>) -> Result<(), Failure> {
        let _ = (position, context);
        Ok(())
    }

    /// Drops connections and buffers, so that the next write starts anew; called after a failure or panic that asked
    /// for a restart. The batch in hand comes again.
    fn reset(&mut self) {}
}

/// Writes batches in an asynchronous task. The methods mean what those of [`Output`] mean.
#[async_trait]
pub trait AsyncOutput: Send + 'static {
    /// Writes one batch.
    ///
    /// # Errors
    /// As [`Output::write`].
    async fn write(&mut self, batch: &Batch, context: &OutputContext<'_>) -> Result<(), Failure>;

    /// Makes what was written visible to others.
    ///
    /// # Errors
    /// As [`Output::flush`].
    async fn flush(&mut self, context: &OutputContext<'_>) -> Result<(), Failure> {
        let _ = context;
        Ok(())
    }

    /// Makes everything written so far survive a crash, and says where the output stands.
    ///
    /// # Errors
    /// As [`Output::checkpoint`].
    async fn checkpoint(&mut self, context: &OutputContext<'_>) -> Result<Option<Vec<u8>>, Failure> {
        self.flush(context).await?;
        Ok(None)
    }

    /// Goes back to where the last [`Self::checkpoint`] of an earlier run was.
    ///
    /// # Errors
    /// As [`Output::resume`].
    async fn resume(&mut self, position: &[u8], context: &OutputContext<'_>) -> Result<(), Failure> {
        let _ = (position, context);
        Ok(())
    }

    /// Drops connections and buffers, so that the next write starts anew.
    async fn reset(&mut self) {}
}

/// What an output may use while it works.
#[derive(Debug)]
pub struct OutputContext<'a> {
    /// All metrics and series.
    pub catalog: &'a Catalog,
    /// The present.
    pub now: Moment,
}

/// What happens to new samples when the queue of an output is full.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum OnFull {
    /// The oldest batch in the queue is dropped and counted; other outputs are not disturbed.
    #[default]
    DropOldest,
    /// Everything before the output waits until there is room, measurements included: ticks are missed and counted.
    Block,
    /// New samples go to the spool on disk, and from there to the output when it has caught up.
    Spill,
}

/// How an output is fed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueuePolicy {
    /// How many samples may wait. A single batch above it is taken when nothing else waits.
    pub capacity: usize,
    /// What happens when it is full.
    pub on_full: OnFull,
    /// Whether samples go to the spool on disk first, so that they outlive the program until they are written. `None`
    /// leaves it to the program.
    pub durable: Option<bool>,
}

impl Default for QueuePolicy {
    /// 262 144 samples (6 MiB, 30 seconds of 8000 series at 1 Hz), oldest dropped first.
    fn default() -> Self {
        Self {
            capacity: 262_144,
            on_full: OnFull::DropOldest,
            durable: None,
        }
    }
}
