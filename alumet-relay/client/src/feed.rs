//! Where the records come from.

use std::time::Duration;

use alumet_core::Failure;
use alumet_core::pipeline::Records;
use alumet_core::spool::{Definitions, InstanceId, Record, Spooled};
use async_trait::async_trait;

/// The records that wait to be sent. The pipeline gives [`Records`]; tests have their own.
#[async_trait]
pub trait RecordFeed: Send + Sync {
    /// The next record or gap, waiting for it; `None` when everything was given and nothing comes any more. Nothing is lost
    /// when the future is dropped before it is ready.
    ///
    /// # Errors
    /// When the spool cannot be read at the moment.
    async fn next(&mut self) -> Result<Option<Spooled>, Failure>;

    /// The definitions of a generation from number `from` on, in their order.
    ///
    /// # Errors
    /// When the spool cannot be read at the moment.
    fn definitions(&self, generation: u32, from: u32) -> Result<Vec<Definitions>, Failure>;

    /// Everything up to `sequence` is stored by a server.
    fn acknowledge(&mut self, sequence: u64);

    /// A record can never be sent; everything before it is acknowledged.
    fn reject(&mut self, record: &Record);

    /// Gives everything again that is not acknowledged.
    async fn rewind(&mut self);

    /// How many samples are not acknowledged.
    fn waiting(&self) -> u64;

    /// Whether nothing new comes, because the pipeline is about to end.
    fn is_closed(&self) -> bool;

    /// The identity of the spool.
    fn instance(&self) -> InstanceId;

    /// Gives the spool another identity, because somebody else has the same one.
    fn replace_instance(&mut self) -> InstanceId;

    /// Nothing can be delivered at the moment.
    fn failed(&self, failure: &Failure);

    /// Samples can be delivered again.
    fn recovered(&self);
}

/// How long it may take until the end of the pipeline is noticed while there is no server.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Waits until nothing new comes.
pub(crate) async fn closed(feed: &dyn RecordFeed) {
    while !feed.is_closed() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[async_trait]
impl RecordFeed for Records {
    async fn next(&mut self) -> Result<Option<Spooled>, Failure> {
        Self::next(self).await
    }

    fn definitions(&self, generation: u32, from: u32) -> Result<Vec<Definitions>, Failure> {
        Self::definitions(self, generation, from)
    }

    fn acknowledge(&mut self, sequence: u64) {
        Self::acknowledge(self, sequence);
    }

    fn reject(&mut self, record: &Record) {
        Self::reject(self, record);
    }

    async fn rewind(&mut self) {
        Self::rewind(self).await;
    }

    fn waiting(&self) -> u64 {
        Self::waiting(self)
    }

    fn is_closed(&self) -> bool {
        Self::is_closed(self)
    }

    fn instance(&self) -> InstanceId {
        Self::instance(self)
    }

    fn replace_instance(&mut self) -> InstanceId {
        self.spool().replace_instance()
    }

    fn failed(&self, failure: &Failure) {
        Self::failed(self, failure);
    }

    fn recovered(&self) {
        Self::recovered(self);
    }
}
