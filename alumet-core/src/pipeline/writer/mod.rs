//! The loop that feeds an output, in a thread or in a task.

mod port;

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use crate::batch::Batch;
use crate::failure::{Failure, Remedy};
use crate::output::{AsyncOutput, Output, OutputContext};
use crate::spool::{Record, Spooled};

use super::backlog::{Backlog, Progress};
use super::delivery::{Delivery, Next, Place};
use super::ledger::DropReason;
use super::message::{Outgoing, Problem, Ticket};
use super::queue::{Popped, Queue};
use super::shared::Worker;
use super::supervise::{Backoff, guard_async};

use port::{InTask, InThread, Port, block_on};

/// What the loop of an output works with.
pub(crate) struct Feed {
    pub(crate) queue: Arc<Queue<Outgoing>>,
    pub(crate) delivery: Delivery,
    /// `None` for an output that has nothing to do with the spool.
    pub(crate) backlog: Option<Arc<Backlog>>,
}

/// Feeds a blocking output, in a thread of its own.
pub(crate) fn spawn_thread(output: Box<dyn Output>, feed: Feed) -> std::io::Result<Worker> {
    let (done, ended) = channel();
    let name: String = format!("out-{}", feed.delivery.cell.key().plugin)
        .chars()
        .filter(char::is_ascii)
        .take(15)
        .collect();
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        let _done: Sender<()> = done;
        block_on(Writer::new(InThread(output), feed).work());
    })?;
    Ok(Worker {
        ended,
        thread: Some(thread),
    })
}

/// Feeds an asynchronous output, in a task.
pub(crate) fn spawn_task(
    output: Box<dyn AsyncOutput>,
    feed: Feed,
    runtime: &tokio::runtime::Handle,
) -> Worker {
    let (done, ended) = channel();
    runtime.spawn(async move {
        let _done: Sender<()> = done;
        Writer::new(InTask(output), feed).work().await;
    });
    Worker { ended, thread: None }
}

/// Feeds one output.
struct Writer<P> {
    port: P,
    feed: Feed,
    progress: Progress,
    /// Whether something was written since the last flush that went well.
    dirty: bool,
}

impl<P: Port> Writer<P> {
    fn new(port: P, feed: Feed) -> Self {
        Self {
            port,
            feed,
            progress: Progress::default(),
            dirty: false,
        }
    }

    /// Works until nothing comes any more.
    async fn work(mut self) {
        let reason = self.run().await;
        if reason == DropReason::OutputEnded
            && let Some(backlog) = &self.feed.backlog
        {
            // It never goes back: what it has written counts.
            self.progress.tell(backlog, None, &self.feed.delivery);
        }
        let Self { port, feed, .. } = self;
        feed.queue.abandon();
        // First the destructor, which may write what the output has buffered, then the end is announced.
        drop(port);
        feed.ended(reason);
    }

    async fn run(&mut self) -> DropReason {
        match self.resume().await {
            Next::End => return DropReason::OutputEnded,
            Next::Leave => return DropReason::Shutdown,
            Next::GoOn | Next::Reject | Next::Again { .. } => {}
        }
        loop {
            let next = match P::pop(&self.feed.queue, self.progress.due()).await {
                Popped::Item(Outgoing::Batch(batch)) => self.write(&batch, Place::Memory).await,
                Popped::Item(Outgoing::Spooled) => self.drain(Amount::Slice).await,
                Popped::Item(Outgoing::Flush(ticket)) => self.answer(ticket).await,
                Popped::Late => {
                    self.checkpoint().await;
                    self.feed.look_again();
                    Next::GoOn
                }
                Popped::End => break,
            };
            if next == Next::End {
                return DropReason::OutputEnded;
            }
            if self.dirty && self.feed.queue.is_empty() {
                self.flush().await;
            }
        }
        // The end has a deadline: until then, what waits is worth more attempts.
        if self.drain(Amount::All).await == Next::End {
            return DropReason::OutputEnded;
        }
        self.checkpoint().await;
        while self.dirty && !P::sleep(&self.feed.queue, Backoff::WRITE.first).await {
            self.flush().await;
        }
        if !self.dirty && self.progress.due().is_none() {
            self.feed.finish();
        }
        DropReason::Shutdown
    }

    /// Goes back to where the output was when the spool was told last, and tells the spool where it begins.
    ///
    /// Nothing is on disk without the position from which it was written: what the program writes is taken back if it is
    /// killed before the next checkpoint, and comes again, from here or from those who sent it.
    async fn resume(&mut self) -> Next {
        let Some(backlog) = self.feed.backlog.clone() else {
            return Next::GoOn;
        };
        let mut position = backlog.reader.position().filter(|position| *position != FINISHED);
        loop {
            let context = self.feed.context();
            let result = match &position {
                Some(position) => guard_async(self.port.resume(position, &context))
                    .await
                    .map(|()| None),
                None if backlog.is_always() => guard_async(self.port.checkpoint(&context)).await,
                None => Ok(None),
            };
            let failure = match result {
                Ok(Some(begin)) => {
                    backlog.reader.acknowledge(0, Some(begin));
                    return Next::GoOn;
                }
                Ok(None) if position.take().is_some() => continue,
                Ok(None) => return Next::GoOn,
                Err(failure) => failure,
            };
            let in_a_row = self.feed.delivery.failed(&failure, Duration::ZERO);
            match failure.remedy() {
                Remedy::End => return Next::End,
                Remedy::Skip => return Next::GoOn,
                Remedy::Retry | Remedy::Restart => {
                    // What waits in the spool is safe; what waits in memory is worth more attempts.
                    if backlog.is_always() && self.feed.queue.is_closed() || self.pause(in_a_row).await {
                        return Next::Leave;
                    }
                }
            }
        }
    }

    /// Writes everything that came before a request to flush, and flushes.
    async fn answer(&mut self, ticket: Ticket) -> Next {
        let next = self.drain(Amount::All).await;
        if next != Next::End
            && let Some(failure) = self.flush().await
        {
            let _ = ticket.send(self.feed.problem(&failure));
        }
        next
    }

    async fn flush(&mut self) -> Option<Failure> {
        let result = guard_async(self.port.flush(&self.feed.context())).await;
        self.dirty = result.is_err();
        self.feed.delivery.flushed(result)
    }

    /// Tells the spool what is written.
    async fn checkpoint(&mut self) {
        let (Some(backlog), Some(_)) = (&self.feed.backlog, self.progress.due()) else {
            return;
        };
        match guard_async(self.port.checkpoint(&self.feed.context())).await {
            Ok(position) => self.progress.tell(backlog, position, &self.feed.delivery),
            Err(failure) => {
                self.feed.delivery.flushed(Err(failure));
                self.progress.put_off();
            }
        }
    }

    /// Writes what waits in the spool.
    async fn drain(&mut self, amount: Amount) -> Next {
        let Some(backlog) = self.feed.backlog.clone() else {
            return Next::GoOn;
        };
        backlog.heard();
        if amount == Amount::All {
            let backlog = Arc::clone(&backlog);
            // An error means that the runtime ends.
            let _ = P::wait_for_disk(move || {
                backlog.settle();
                Ok(())
            })
            .await;
        }
        loop {
            let reader = Arc::clone(&backlog);
            let items = match P::wait_for_disk(move || reader.read()).await {
                Ok(items) => items,
                Err(failure) if self.disk_is_away(&failure).await => return Next::Leave,
                Err(_) => continue,
            };
            if items.is_empty() {
                self.caught_up(&backlog).await;
                return Next::GoOn;
            }
            for item in items {
                let last = item.last();
                let next = match item {
                    Spooled::Gap(gap) => {
                        self.feed.delivery.gap(&gap);
                        Next::GoOn
                    }
                    Spooled::Record(record) => self.write_record(&backlog, record).await,
                };
                if matches!(next, Next::End | Next::Leave) {
                    return next;
                }
                self.progress.done(last);
            }
            if self.progress.is_due() {
                self.checkpoint().await;
            }
            if amount == Amount::Slice {
                // Requests and a pause come between two slices.
                backlog.announce();
                return Next::GoOn;
            }
        }
    }

    /// Nothing waits in the spool any more.
    async fn caught_up(&mut self, backlog: &Backlog) {
        if !backlog.is_spilled() {
            return;
        }
        if self.progress.may_be_told() {
            self.checkpoint().await;
        }
        if self.progress.due().is_none() {
            backlog.catch_up();
        }
    }

    async fn write_record(&mut self, backlog: &Arc<Backlog>, record: Record) -> Next {
        let samples = record.samples;
        let next = match self.decode(backlog, record).await {
            Ok(batch) => self.write(&batch, Place::Spool).await,
            Err(next) => next,
        };
        if next == Next::Reject {
            self.progress.refused(u64::from(samples));
        }
        next
    }

    /// The samples of a record, or what is to be done without them.
    async fn decode(&mut self, backlog: &Arc<Backlog>, record: Record) -> Result<Arc<Batch>, Next> {
        if let Some(batch) = record.batch {
            return Ok(batch);
        }
        loop {
            let (backlog, copy) = (Arc::clone(backlog), record.clone());
            let failure = match P::wait_for_disk(move || backlog.reader.batch(&copy)).await {
                Ok(batch) => return Ok(batch),
                Err(failure) => failure,
            };
            if failure.remedy() != Remedy::Retry {
                self.feed.damaged(record.samples, &failure);
                return Err(Next::Reject);
            }
            if self.disk_is_away(&failure).await {
                return Err(Next::Leave);
            }
        }
    }

    async fn write(&mut self, batch: &Batch, place: Place) -> Next {
        loop {
            let context = self.feed.context();
            let clock = &self.feed.delivery.shared.clock;
            let started = clock.now().monotonic;
            let result = guard_async(self.port.write(batch, &context)).await;
            let busy = clock.now().monotonic.since(started);
            match self.feed.delivery.written(result, batch.len(), place, busy) {
                Next::Again { .. } if self.feed.leaves(place) => return Next::Leave,
                Next::Again { after, reset } => {
                    if reset {
                        self.reset().await;
                    }
                    if P::sleep(&self.feed.queue, after).await {
                        return self.feed.time_is_over(batch.len(), place);
                    }
                }
                next => {
                    self.dirty |= next == Next::GoOn;
                    return next;
                }
            }
        }
    }

    async fn reset(&mut self) {
        let reset = async {
            self.port.reset().await;
            Ok(())
        };
        if let Err(failure) = guard_async(reset).await {
            tracing::error!(element = %self.feed.delivery.cell.key(), error = %failure, "the output could not be reset");
        }
    }

    /// The spool could not be read; waits until it is worth another attempt, or says that there is no time for that.
    async fn disk_is_away(&mut self, failure: &Failure) -> bool {
        let in_a_row = self.feed.delivery.failed(failure, Duration::ZERO);
        self.feed.queue.is_closed() || self.pause(in_a_row).await
    }

    /// Waits before something is tried again; says whether the time is over.
    async fn pause(&mut self, in_a_row: u32) -> bool {
        P::sleep(&self.feed.queue, Backoff::WRITE.after(in_a_row)).await
    }
}

/// How much of what waits in the spool is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Amount {
    Slice,
    All,
}

impl Feed {
    fn context(&self) -> OutputContext<'_> {
        OutputContext {
            catalog: &self.delivery.shared.catalog,
            now: self.delivery.shared.clock.now(),
        }
    }

    fn problem(&self, failure: &Failure) -> Problem {
        Problem {
            element: self.delivery.cell.key().clone(),
            error: failure.to_string(),
        }
    }

    /// Whether a batch that could not be written now is left where it is.
    fn leaves(&self, place: Place) -> bool {
        place == Place::Spool && self.queue.is_closed()
    }

    fn time_is_over(&self, samples: usize, place: Place) -> Next {
        if place == Place::Memory {
            self.delivery.dropped(samples, place, DropReason::Shutdown);
        }
        Next::Leave
    }

    /// Now that the spool may have been told, the writer may have caught up.
    fn look_again(&self) {
        if let Some(backlog) = &self.backlog
            && backlog.is_spilled()
        {
            backlog.announce();
        }
    }

    /// A record that cannot be decoded is lost.
    fn damaged(&self, samples: u32, failure: &Failure) {
        tracing::error!(element = %self.delivery.cell.key(), samples, error = %failure, "samples were lost in the spool");
        self.delivery
            .dropped_from_spool(u64::from(samples), DropReason::Damaged);
    }

    /// Tells the spool that nothing is to be taken back at the next start.
    fn finish(&self) {
        if let Some(backlog) = &self.backlog
            && backlog.reader.waiting() == 0
            && backlog.reader.position().is_some()
        {
            backlog.reader.acknowledge(0, Some(FINISHED.to_vec()));
        }
    }

    /// The output works no more.
    fn ended(self, reason: DropReason) {
        if let Some(backlog) = self.backlog
            && reason == DropReason::OutputEnded
        {
            backlog.reader.follow(false);
            self.delivery.forget_spooled(reason);
        }
        self.delivery.ended(reason);
    }
}

/// Stands for the position of an output that has ended in good order: it goes on wherever it is.
const FINISHED: &[u8] = &[];
