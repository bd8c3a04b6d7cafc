//! The loops that feed outputs: one in a thread, one in a task.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use crate::batch::Batch;
use crate::failure::{Failure, Remedy};
use crate::output::{AsyncOutput, Output, OutputContext};
use crate::spool::Spooled;

use super::backlog::{Backlog, Progress};
use super::delivery::{Delivery, Next, Place};
use super::ledger::DropReason;
use super::message::{Outgoing, Problem};
use super::queue::{Popped, Queue};
use super::shared::Worker;
use super::supervise::{Backoff, guard, guard_async};

/// What the loop of an output works with.
pub(crate) struct Feed {
    pub(crate) queue: Arc<Queue<Outgoing>>,
    pub(crate) delivery: Delivery,
    /// `None` for an output that has nothing to do with the spool.
    pub(crate) backlog: Option<Arc<Backlog>>,
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

/// Feeds a blocking output, in a thread of its own.
pub(crate) fn spawn_thread(mut output: Box<dyn Output>, feed: Feed) -> std::io::Result<Worker> {
    let (done, ended) = channel();
    let name: String = format!("out-{}", feed.delivery.cell.key().plugin)
        .chars()
        .filter(char::is_ascii)
        .take(15)
        .collect();
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        let _done: Sender<()> = done;
        let reason = feed.run(&mut *output);
        feed.queue.abandon();
        // First the destructor, which may write what the output has buffered, then the end is announced.
        drop(output);
        feed.ended(reason);
    })?;
    Ok(Worker {
        ended,
        thread: Some(thread),
    })
}

impl Feed {
    fn run(&self, output: &mut dyn Output) -> DropReason {
        if self.resume(output) == Next::End {
            return DropReason::OutputEnded;
        }
        let mut progress = Progress::default();
        let mut dirty = false;
        loop {
            match self.queue.pop_until(progress.due()) {
                Popped::Item(Outgoing::Batch(batch)) => {
                    if self.write(output, &batch, Place::Memory) == Next::End {
                        return DropReason::OutputEnded;
                    }
                    dirty = true;
                }
                Popped::Item(Outgoing::Spooled) => {
                    if self.drain(output, &mut progress, &mut dirty, false) == Next::End {
                        return DropReason::OutputEnded;
                    }
                }
                Popped::Item(Outgoing::Flush(ticket)) => {
                    if self.drain(output, &mut progress, &mut dirty, true) == Next::End {
                        return DropReason::OutputEnded;
                    }
                    let failure = self.flush(output);
                    dirty = failure.is_some();
                    if let Some(failure) = failure {
                        let _ = ticket.send(self.problem(&failure));
                    }
                }
                Popped::Late => {
                    self.checkpoint(output, &mut progress);
                    self.look_again();
                }
                Popped::End => break,
            }
            if dirty && self.queue.is_empty() {
                dirty = self.flush(output).is_some();
            }
        }
        // The end has a deadline: until then, what waits is worth more attempts.
        if self.drain(output, &mut progress, &mut dirty, true) == Next::End {
            return DropReason::OutputEnded;
        }
        self.checkpoint(output, &mut progress);
        while dirty && !self.queue.sleep(Backoff::WRITE.first) {
            dirty = self.flush(output).is_some();
        }
        if !dirty && progress.due().is_none() {
            self.finish();
        }
        DropReason::Shutdown
    }

    /// Goes back to where the output was when the spool was told last, and tells the spool where it begins.
    ///
    /// Nothing is on disk without the position from which it was written: what the program writes is taken back if it is
    /// killed before the next checkpoint, and comes again, from here or from those who sent it.
    fn resume(&self, output: &mut dyn Output) -> Next {
        let Some(backlog) = &self.backlog else {
            return Next::GoOn;
        };
        let mut position = backlog.reader.position().filter(|position| *position != FINISHED);
        loop {
            let result = guard(|| match &position {
                Some(position) => output.resume(position, &self.context()).map(|()| None),
                None if backlog.is_always() => output.checkpoint(&self.context()),
                None => Ok(None),
            });
            let failure = match result {
                Ok(Some(begin)) => {
                    backlog.reader.acknowledge(0, Some(begin));
                    return Next::GoOn;
                }
                Ok(None) if position.take().is_some() => continue,
                Ok(None) => return Next::GoOn,
                Err(failure) => failure,
            };
            let in_a_row = self.delivery.failed(&failure, std::time::Duration::ZERO);
            match failure.remedy() {
                Remedy::End => return Next::End,
                Remedy::Skip => return Next::GoOn,
                Remedy::Retry | Remedy::Restart => {
                    if self.queue.sleep(Backoff::WRITE.after(in_a_row)) || self.queue.is_closed() {
                        return Next::Leave;
                    }
                }
            }
        }
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

    fn flush(&self, output: &mut dyn Output) -> Option<Failure> {
        self.delivery.flushed(guard(|| output.flush(&self.context())))
    }

    /// Tells the spool what is written.
    fn checkpoint(&self, output: &mut dyn Output, progress: &mut Progress) {
        let (Some(backlog), Some(_)) = (&self.backlog, progress.due()) else {
            return;
        };
        match guard(|| output.checkpoint(&self.context())) {
            Ok(position) => progress.tell(backlog, position, &self.delivery),
            Err(failure) => {
                let _ = self.delivery.flushed(Err(failure));
                progress.put_off();
            }
        }
    }

    /// Writes what waits in the spool: a slice of it, or all.
    fn drain(&self, output: &mut dyn Output, progress: &mut Progress, dirty: &mut bool, all: bool) -> Next {
        let Some(backlog) = &self.backlog else {
            return Next::GoOn;
        };
        backlog.heard();
        if all {
            backlog.settle();
        }
        loop {
            let items = match guard(|| backlog.read()) {
                Ok(items) => items,
                Err(failure) => {
                    let in_a_row = self.delivery.failed(&failure, std::time::Duration::ZERO);
                    if self.queue.is_closed() || self.queue.sleep(Backoff::WRITE.after(in_a_row)) {
                        return Next::Leave;
                    }
                    continue;
                }
            };
            if items.is_empty() {
                if backlog.is_spilled() {
                    if progress.may_be_told() {
                        self.checkpoint(output, progress);
                    }
                    if progress.due().is_none() {
                        backlog.catch_up();
                    }
                }
                return Next::GoOn;
            }
            for item in items {
                match &item {
                    Spooled::Gap(gap) => self.delivery.gap(gap),
                    Spooled::Record(record) => match guard(|| backlog.reader.batch(record)) {
                        Err(failure) => {
                            self.damaged(record.samples, &failure);
                            progress.refused(u64::from(record.samples));
                        }
                        Ok(batch) => match self.write(output, &batch, Place::Spool) {
                            Next::Reject => progress.refused(u64::from(record.samples)),
                            end @ (Next::End | Next::Leave) => return end,
                            Next::GoOn | Next::Again { .. } => *dirty = true,
                        },
                    },
                }
                progress.done(item.last());
            }
            if progress.is_due() {
                self.checkpoint(output, progress);
            }
            if !all {
                // Requests and a pause come between two slices.
                backlog.announce();
                return Next::GoOn;
            }
        }
    }

    fn write(&self, output: &mut dyn Output, batch: &Batch, place: Place) -> Next {
        loop {
            let started = self.delivery.shared.clock.now().monotonic;
            let result = guard(|| output.write(batch, &self.context()));
            let busy = self.delivery.shared.clock.now().monotonic.since(started);
            match self.delivery.written(result, batch.len(), place, busy) {
                Next::Again { .. } if self.leaves(place) => return Next::Leave,
                Next::Again { after, reset } => {
                    if reset
                        && let Err(failure) = guard(|| {
                            output.reset();
                            Ok(())
                        })
                    {
                        tracing::error!(element = %self.delivery.cell.key(), error = %failure, "the output could not be reset");
                    }
                    if self.queue.sleep(after) {
                        return self.time_is_over(batch.len(), place);
                    }
                }
                next => return next,
            }
        }
    }
}

/// Feeds an asynchronous output, in a task.
pub(crate) fn spawn_task(
    mut output: Box<dyn AsyncOutput>,
    feed: Feed,
    runtime: &tokio::runtime::Handle,
) -> Worker {
    let (done, ended) = channel();
    runtime.spawn(async move {
        let _done: Sender<()> = done;
        let reason = feed.run_async(&mut *output).await;
        feed.queue.abandon();
        drop(output);
        feed.ended(reason);
    });
    Worker { ended, thread: None }
}

impl Feed {
    async fn run_async(&self, output: &mut dyn AsyncOutput) -> DropReason {
        let mut progress = Progress::default();
        let mut dirty = false;
        loop {
            match self.queue.pop_until_async(progress.due()).await {
                Popped::Item(Outgoing::Batch(batch)) => {
                    if self.write_async(output, &batch, Place::Memory).await == Next::End {
                        return DropReason::OutputEnded;
                    }
                    dirty = true;
                }
                Popped::Item(Outgoing::Spooled) => {
                    if self.drain_async(output, &mut progress, &mut dirty, false).await == Next::End {
                        return DropReason::OutputEnded;
                    }
                }
                Popped::Item(Outgoing::Flush(ticket)) => {
                    if self.drain_async(output, &mut progress, &mut dirty, true).await == Next::End {
                        return DropReason::OutputEnded;
                    }
                    let failure = self.flush_async(output).await;
                    dirty = failure.is_some();
                    if let Some(failure) = failure {
                        let _ = ticket.send(self.problem(&failure));
                    }
                }
                Popped::Late => {
                    self.checkpoint_async(output, &mut progress).await;
                    self.look_again();
                }
                Popped::End => break,
            }
            if dirty && self.queue.is_empty() {
                dirty = self.flush_async(output).await.is_some();
            }
        }
        if self.drain_async(output, &mut progress, &mut dirty, true).await == Next::End {
            return DropReason::OutputEnded;
        }
        self.checkpoint_async(output, &mut progress).await;
        while dirty && !self.queue.sleep_async(Backoff::WRITE.first).await {
            dirty = self.flush_async(output).await.is_some();
        }
        DropReason::Shutdown
    }

    async fn flush_async(&self, output: &mut dyn AsyncOutput) -> Option<Failure> {
        self.delivery
            .flushed(guard_async(output.flush(&self.context())).await)
    }

    async fn checkpoint_async(&self, output: &mut dyn AsyncOutput, progress: &mut Progress) {
        let (Some(backlog), Some(_)) = (&self.backlog, progress.due()) else {
            return;
        };
        match self.flush_async(output).await {
            None => progress.tell(backlog, None, &self.delivery),
            Some(_) => progress.put_off(),
        }
    }

    /// Reads the spool where waiting for a disk disturbs nobody.
    async fn read_async(&self, backlog: &Arc<Backlog>) -> Result<Vec<(Spooled, Option<Decoded>)>, Failure> {
        let backlog = Arc::clone(backlog);
        let read = tokio::task::spawn_blocking(move || {
            guard(|| {
                let items = backlog.read()?;
                let decoded = items.into_iter().map(|item| {
                    let batch = match &item {
                        Spooled::Record(record) => Some(backlog.reader.batch(record)),
                        Spooled::Gap(_) => None,
                    };
                    (item, batch)
                });
                Ok(decoded.collect())
            })
        });
        read.await?
    }

    async fn drain_async(
        &self,
        output: &mut dyn AsyncOutput,
        progress: &mut Progress,
        dirty: &mut bool,
        all: bool,
    ) -> Next {
        let Some(backlog) = &self.backlog else {
            return Next::GoOn;
        };
        backlog.heard();
        if all {
            let backlog = Arc::clone(backlog);
            // An error means that the runtime ends.
            let _ = tokio::task::spawn_blocking(move || backlog.settle()).await;
        }
        loop {
            let items = match self.read_async(backlog).await {
                Ok(items) => items,
                Err(failure) => {
                    let in_a_row = self.delivery.failed(&failure, std::time::Duration::ZERO);
                    if self.queue.is_closed() || self.queue.sleep_async(Backoff::WRITE.after(in_a_row)).await
                    {
                        return Next::Leave;
                    }
                    continue;
                }
            };
            if items.is_empty() {
                if backlog.is_spilled() {
                    if progress.may_be_told() {
                        self.checkpoint_async(output, progress).await;
                    }
                    if progress.due().is_none() {
                        backlog.catch_up();
                    }
                }
                return Next::GoOn;
            }
            for (item, batch) in items {
                match (&item, batch) {
                    (Spooled::Gap(gap), _) => self.delivery.gap(gap),
                    (Spooled::Record(record), Some(Ok(batch))) => {
                        match self.write_async(output, &batch, Place::Spool).await {
                            Next::Reject => progress.refused(u64::from(record.samples)),
                            end @ (Next::End | Next::Leave) => return end,
                            Next::GoOn | Next::Again { .. } => *dirty = true,
                        }
                    }
                    (Spooled::Record(record), Some(Err(failure))) => {
                        self.damaged(record.samples, &failure);
                        progress.refused(u64::from(record.samples));
                    }
                    (Spooled::Record(_), None) => {}
                }
                progress.done(item.last());
            }
            if progress.is_due() {
                self.checkpoint_async(output, progress).await;
            }
            if !all {
                backlog.announce();
                return Next::GoOn;
            }
        }
    }

    async fn write_async(&self, output: &mut dyn AsyncOutput, batch: &Batch, place: Place) -> Next {
        loop {
            let started = self.delivery.shared.clock.now().monotonic;
            let result = guard_async(output.write(batch, &self.context())).await;
            let busy = self.delivery.shared.clock.now().monotonic.since(started);
            match self.delivery.written(result, batch.len(), place, busy) {
                Next::Again { .. } if self.leaves(place) => return Next::Leave,
                Next::Again { after, reset } => {
                    let reset = async {
                        if reset {
                            output.reset().await;
                        }
                        Ok(())
                    };
                    if let Err(failure) = guard_async(reset).await {
                        tracing::error!(element = %self.delivery.cell.key(), error = %failure, "the output could not be reset");
                    }
                    if self.queue.sleep_async(after).await {
                        return self.time_is_over(batch.len(), place);
                    }
                }
                next => return next,
            }
        }
    }
}

/// Stands for the position of an output that has ended in good order: it goes on wherever it is.
const FINISHED: &[u8] = &[];

/// The samples of a record, or why it has none.
type Decoded = Result<Arc<Batch>, Failure>;
