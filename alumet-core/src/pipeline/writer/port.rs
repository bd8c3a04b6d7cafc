use std::future::{Future, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::batch::Batch;
use crate::failure::Failure;
use crate::output::{AsyncOutput, Output, OutputContext};
use crate::pipeline::message::Outgoing;
use crate::pipeline::queue::{Popped, Queue};
use crate::pipeline::supervise::guard;

/// An output, and the way in which its writer waits: in a thread, or in a task.
///
/// Panics of the output pass through.
pub(super) trait Port: Send {
    fn pop(
        queue: &Queue<Outgoing>,
        deadline: Option<Instant>,
    ) -> impl Future<Output = Popped<Outgoing>> + Send;

    /// Sleeps; says whether the queue is abandoned.
    fn sleep(queue: &Queue<Outgoing>, pause: Duration) -> impl Future<Output = bool> + Send;

    /// Does what may have to wait for a disk.
    fn wait_for_disk<T: Send + 'static>(
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> impl Future<Output = Result<T, Failure>> + Send;

    fn write(
        &mut self,
        batch: &Batch,
        context: &OutputContext<'_>,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    fn flush(&mut self, context: &OutputContext<'_>) -> impl Future<Output = Result<(), Failure>> + Send;

    fn checkpoint(
        &mut self,
        context: &OutputContext<'_>,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, Failure>> + Send;

    fn resume(
        &mut self,
        position: &[u8],
        context: &OutputContext<'_>,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    fn reset(&mut self) -> impl Future<Output = ()> + Send;
}

/// Blocks wherever it waits, so that all its futures are ready at once.
pub(super) struct InThread(pub(super) Box<dyn Output>);

/// Gives the result of a future in which only an [`InThread`] is waited for.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => unreachable!("what waits in a thread blocks it"),
    }
}

impl Port for InThread {
    async fn pop(queue: &Queue<Outgoing>, deadline: Option<Instant>) -> Popped<Outgoing> {
        queue.pop_until(deadline)
    }

    async fn sleep(queue: &Queue<Outgoing>, pause: Duration) -> bool {
        queue.sleep(pause)
    }

    fn wait_for_disk<T: Send + 'static>(
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> impl Future<Output = Result<T, Failure>> + Send {
        ready(guard(work))
    }

    async fn write(&mut self, batch: &Batch, context: &OutputContext<'_>) -> Result<(), Failure> {
        self.0.write(batch, context)
    }

    async fn flush(&mut self, context: &OutputContext<'_>) -> Result<(), Failure> {
        self.0.flush(context)
    }

    async fn checkpoint(&mut self, context: &OutputContext<'_>) -> Result<Option<Vec<u8>>, Failure> {
        self.0.checkpoint(context)
    }

    async fn resume(&mut self, position: &[u8], context: &OutputContext<'_>) -> Result<(), Failure> {
        self.0.resume(position, context)
    }

    async fn reset(&mut self) {
        self.0.reset();
    }
}

/// Lets others work wherever it waits.
pub(super) struct InTask(pub(super) Box<dyn AsyncOutput>);

impl Port for InTask {
    async fn pop(queue: &Queue<Outgoing>, deadline: Option<Instant>) -> Popped<Outgoing> {
        queue.pop_until_async(deadline).await
    }

    async fn sleep(queue: &Queue<Outgoing>, pause: Duration) -> bool {
        queue.sleep_async(pause).await
    }

    async fn wait_for_disk<T: Send + 'static>(
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        tokio::task::spawn_blocking(move || guard(work)).await?
    }

    async fn write(&mut self, batch: &Batch, context: &OutputContext<'_>) -> Result<(), Failure> {
        self.0.write(batch, context).await
    }

    async fn flush(&mut self, context: &OutputContext<'_>) -> Result<(), Failure> {
        self.0.flush(context).await
    }

    async fn checkpoint(&mut self, context: &OutputContext<'_>) -> Result<Option<Vec<u8>>, Failure> {
        self.0.checkpoint(context).await
    }

    async fn resume(&mut self, position: &[u8], context: &OutputContext<'_>) -> Result<(), Failure> {
        self.0.resume(position, context).await
    }

    async fn reset(&mut self) {
        self.0.reset().await;
    }
}
