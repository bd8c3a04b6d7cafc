//! Who begins or ends is heard of at once, and not at the next tick.

use alumet_core::Failure;
use alumet_core::events::Subscription;
use alumet_core::pipeline::EventSink;
use alumet_core::source::{EventSource, SourceWaker};
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

/// Lets a source be polled whenever a consumer is announced; what was announced the source hears itself.
pub(crate) struct Announcements {
    pub(crate) subscription: Subscription,
    pub(crate) waker: SourceWaker,
}

#[async_trait]
impl EventSource for Announcements {
    async fn run(&mut self, _: EventSink, stop: CancellationToken) -> Result<(), Failure> {
        // Events that were lost are news as well.
        while let Some(Ok(Some(_)) | Err(_)) = stop.run_until_cancelled(self.subscription.next()).await {
            self.waker.wake();
        }
        Ok(())
    }
}
