//! The loops that feed outputs: one in a thread, one in a task.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use crate::batch::Batch;
use crate::failure::Failure;
use crate::output::{AsyncOutput, Output, OutputContext};

use super::delivery::{Delivery, Next};
use super::ledger::DropReason;
use super::message::{Outgoing, Problem};
use super::queue::Queue;
use super::shared::Worker;
use super::supervise::{Backoff, guard, guard_async};

impl Delivery {
    fn context(&self) -> OutputContext<'_> {
        OutputContext {
            catalog: &self.shared.catalog,
            now: self.shared.clock.now(),
        }
    }

    fn problem(&self, failure: &Failure) -> Problem {
        Problem {
            element: self.cell.key().clone(),
            error: failure.to_string(),
        }
    }
}

/// Feeds a blocking output from `queue`, in a thread of its own.
pub(crate) fn spawn_thread(
    mut output: Box<dyn Output>,
    queue: Arc<Queue<Outgoing>>,
    delivery: Delivery,
) -> std::io::Result<Worker> {
    let (done, ended) = channel();
    let name: String = format!("out-{}", delivery.cell.key().plugin)
        .chars()
        .filter(char::is_ascii)
        .take(15)
        .collect();
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        let _done: Sender<()> = done;
        let reason = feed(&mut *output, &queue, &delivery);
        queue.abandon();
        // First the destructor, which may write what the output has buffered, then the end is announced.
        drop(output);
        delivery.ended(reason);
    })?;
    Ok(Worker {
        ended,
        thread: Some(thread),
    })
}

fn feed(output: &mut dyn Output, queue: &Queue<Outgoing>, delivery: &Delivery) -> DropReason {
    let mut dirty = false;
    while let Some(item) = queue.pop() {
        match item {
            Outgoing::Batch(batch) => {
                if write(output, &batch, queue, delivery) == Next::End {
                    return DropReason::OutputEnded;
                }
                dirty = true;
            }
            Outgoing::Flush(ticket) => {
                let failure = delivery.flushed(guard(|| output.flush(&delivery.context())));
                dirty = failure.is_some();
                if let Some(failure) = failure {
                    let _ = ticket.send(delivery.problem(&failure));
                }
            }
        }
        if dirty && queue.is_empty() {
            dirty = delivery
                .flushed(guard(|| output.flush(&delivery.context())))
                .is_some();
        }
    }
    // The end has a deadline: until then, what was written is worth more attempts to make it last.
    while dirty && !queue.sleep(Backoff::WRITE.first) {
        dirty = delivery
            .flushed(guard(|| output.flush(&delivery.context())))
            .is_some();
    }
    DropReason::Shutdown
}

fn write(output: &mut dyn Output, batch: &Batch, queue: &Queue<Outgoing>, delivery: &Delivery) -> Next {
    loop {
        let started = delivery.shared.clock.now().monotonic;
        let result = guard(|| output.write(batch, &delivery.context()));
        let busy = delivery.shared.clock.now().monotonic.since(started);
        match delivery.written(result, batch.len(), busy) {
            Next::Again { after, reset } => {
                if reset
                    && let Err(failure) = guard(|| {
                        output.reset();
                        Ok(())
                    })
                {
                    tracing::error!(element = %delivery.cell.key(), error = %failure, "the output could not be reset");
                }
                if queue.sleep(after) {
                    delivery.dropped(batch.len(), DropReason::Shutdown);
                    return Next::GoOn;
                }
            }
            next => return next,
        }
    }
}

/// Feeds an asynchronous output from `queue`, in a task.
pub(crate) fn spawn_task(
    mut output: Box<dyn AsyncOutput>,
    queue: Arc<Queue<Outgoing>>,
    delivery: Delivery,
    runtime: &tokio::runtime::Handle,
) -> Worker {
    let (done, ended) = channel();
    runtime.spawn(async move {
        let _done: Sender<()> = done;
        let reason = feed_async(&mut *output, &queue, &delivery).await;
        queue.abandon();
        drop(output);
        delivery.ended(reason);
    });
    Worker { ended, thread: None }
}

async fn feed_async(
    output: &mut dyn AsyncOutput,
    queue: &Queue<Outgoing>,
    delivery: &Delivery,
) -> DropReason {
    let mut dirty = false;
    while let Some(item) = queue.pop_async().await {
        match item {
            Outgoing::Batch(batch) => {
                if write_async(output, &batch, queue, delivery).await == Next::End {
                    return DropReason::OutputEnded;
                }
                dirty = true;
            }
            Outgoing::Flush(ticket) => {
                let failure = delivery.flushed(guard_async(output.flush(&delivery.context())).await);
                dirty = failure.is_some();
                if let Some(failure) = failure {
                    let _ = ticket.send(delivery.problem(&failure));
                }
            }
        }
        if dirty && queue.is_empty() {
            dirty = delivery
                .flushed(guard_async(output.flush(&delivery.context())).await)
                .is_some();
        }
    }
    while dirty && !queue.sleep_async(Backoff::WRITE.first).await {
        dirty = delivery
            .flushed(guard_async(output.flush(&delivery.context())).await)
            .is_some();
    }
    DropReason::Shutdown
}

async fn write_async(
    output: &mut dyn AsyncOutput,
    batch: &Batch,
    queue: &Queue<Outgoing>,
    delivery: &Delivery,
) -> Next {
    loop {
        let started = delivery.shared.clock.now().monotonic;
        let result = guard_async(output.write(batch, &delivery.context())).await;
        let busy = delivery.shared.clock.now().monotonic.since(started);
        match delivery.written(result, batch.len(), busy) {
            Next::Again { after, reset } => {
                let reset = async {
                    if reset {
                        output.reset().await;
                    }
                    Ok(())
                };
                if let Err(failure) = guard_async(reset).await {
                    tracing::error!(element = %delivery.cell.key(), error = %failure, "the output could not be reset");
                }
                if queue.sleep_async(after).await {
                    delivery.dropped(batch.len(), DropReason::Shutdown);
                    return Next::GoOn;
                }
            }
            next => return next,
        }
    }
}
