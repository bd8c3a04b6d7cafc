//! The router: takes batches from sources, runs the transforms, and offers the result to every output.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::batch::Batch;
use crate::failure::Failure;
use crate::output::{OnFull, OutputFilter};
use crate::plugin::TransformSpec;
use crate::time::{Moment, Monotonic};
use crate::transform::{Transform, TransformContext};

use super::element::{ElementCell, ElementKey, ElementState};
use super::ledger::DropReason;
use super::message::{Ingest, Outgoing, Ticket};
use super::pattern::Pattern;
use super::queue::{Closed, Popped, Queue};
use super::shared::{Shared, Worker};
use super::supervise::{failed, guard, judge, reset};

/// A transform under supervision.
pub(crate) struct TransformTask {
    cell: Arc<ElementCell>,
    spec: TransformSpec,
    restart_at: Option<Monotonic>,
    /// When it wants to be woken, and when it may be at the earliest.
    wake_at: Option<Monotonic>,
    sleeps_until: Monotonic,
}

/// How the router reaches an output.
pub(crate) struct OutputLink {
    pub(crate) cell: Arc<ElementCell>,
    pub(crate) queue: Arc<Queue<Outgoing>>,
    pub(crate) on_full: OnFull,
    /// Whether it takes its batches from the spool.
    pub(crate) is_durable: bool,
    /// What it does not get; of what is in the spool, the backlog leaves that out.
    pub(crate) filter: Option<OutputFilter>,
}

/// Takes batches from the ingest queue, one after another.
pub(crate) struct Router {
    shared: Arc<Shared>,
    transforms: Vec<TransformTask>,
    outputs: Vec<OutputLink>,
    /// How many holds are not released yet, and what they keep back.
    holds: usize,
    held: Vec<Batch>,
}

impl Router {
    /// Starts a router without transforms and outputs in a thread of its own.
    pub(crate) fn spawn(shared: Arc<Shared>) -> std::io::Result<Worker> {
        let router = Self {
            shared,
            transforms: Vec::new(),
            outputs: Vec::new(),
            holds: 0,
            held: Vec::new(),
        };
        Worker::thread("alumet-route".to_owned(), || router.run())
    }

    /// Works until the ingest queue is closed and empty; then transforms emit what they hold and the queues of the
    /// outputs are closed.
    fn run(mut self) {
        loop {
            let popped = self.shared.ingest.pop_until(self.wake_at());
            // Before each item: so whoever moves the clock and then flushes can rely on what was due.
            self.tick_transforms();
            let item = match popped {
                Popped::Item(item) => item,
                Popped::Late => continue,
                Popped::End => break,
            };
            match item {
                Ingest::Batch(batch) if self.holds > 0 => self.held.push(batch),
                Ingest::Batch(batch) => self.route(batch, 0),
                Ingest::Request(request) => request(&mut self),
            }
        }
        self.route_held();
        while !self.transforms.is_empty() {
            self.finish_transform(0);
        }
        for output in &self.outputs {
            output.queue.close();
        }
    }

    pub(crate) fn add_transform(&mut self, task: TransformTask) {
        let rank = self.rank(&task);
        let index = self
            .transforms
            .iter()
            .position(|other| self.rank(other) > rank || other.spec.after.contains(&task.cell.key().plugin));
        self.transforms
            .insert(index.unwrap_or(self.transforms.len()), task);
        self.note_gone();
    }

    pub(crate) fn add_output(&mut self, link: OutputLink) {
        self.outputs.push(link);
    }

    /// Removes transforms and outputs; what a transform still held is emitted, what an output has queued is written.
    pub(crate) fn remove(&mut self, keys: &[ElementKey], ticket: &Ticket) {
        let is_named = |task: &TransformTask| keys.contains(task.cell.key());
        while let Some(index) = self.transforms.iter().position(is_named) {
            self.finish_transform(index);
        }
        for output in self
            .outputs
            .extract_if(.., |output| keys.contains(output.cell.key()))
        {
            let _ = output.queue.push(Outgoing::Flush(ticket.clone()));
            output.queue.close();
        }
    }

    pub(crate) fn flush(&mut self, outputs: &Pattern, ticket: &Ticket) {
        let is_meant = |output: &&OutputLink| outputs.matches(output.cell.key());
        for output in self.outputs.iter().filter(is_meant) {
            // A closed queue belongs to an output that has ended: nothing is left to flush.
            let _ = output.queue.push(Outgoing::Flush(ticket.clone()));
        }
    }

    /// Keeps batches back until as many releases have come.
    pub(crate) const fn hold(&mut self) {
        self.holds += 1;
    }

    pub(crate) fn release(&mut self) {
        self.holds = self.holds.saturating_sub(1);
        if self.holds == 0 {
            self.route_held();
        }
    }

    fn route_held(&mut self) {
        for batch in std::mem::take(&mut self.held) {
            self.route(batch, 0);
        }
    }

    /// The position of a transform in the configured order; those not named come last.
    fn rank(&self, task: &TransformTask) -> usize {
        let order = &self.shared.transform_order;
        order
            .iter()
            .position(|key| key == task.cell.key())
            .unwrap_or(order.len())
    }

    /// Runs the transforms from `first` on and offers what is left to every output.
    fn route(&mut self, mut batch: Batch, first: usize) {
        let before = batch.len();
        let now = self.shared.clock.now();
        // Before the batch: it may name a series in a slot that has become free.
        self.tell_of_gone_series(now);
        for task in self.transforms.iter_mut().skip(first) {
            let samples = batch.len();
            task.call(samples, &self.shared, now, |transform, context| {
                transform.apply(&mut batch, context)
            });
        }
        let after = batch.len();
        let mut ledger = self.shared.ledger.lock();
        ledger.transformed(before, batch.take_removed(), after);
        if after == 0 {
            drop(ledger);
            self.note_origin(batch);
            return;
        }
        if self.outputs.is_empty() {
            ledger.discarded(after, DropReason::NoOutput);
            return;
        }
        for output in self.outputs.iter().filter(|output| output.filter.is_none()) {
            ledger.offered(&output.cell, after);
        }
        drop(ledger);
        if batch.len() <= Batch::LARGEST || batch.origin().is_some() {
            // What was sent is stored whole, or else a part of it would come again.
            return self.offer_to_all(&Arc::new(batch));
        }
        for part in batch.divide(Batch::LARGEST) {
            self.offer_to_all(&Arc::new(part));
        }
    }

    /// Offers a batch to every output; it goes to the spool at most once, whoever takes it from there.
    fn offer_to_all(&self, batch: &Arc<Batch>) {
        let mut spooled = false;
        for output in &self.outputs {
            if !output.is_durable {
                self.offer(output, Arc::clone(batch));
            } else if output.queue.is_closed() {
                self.dropped(output, batch, DropReason::OutputEnded);
            } else {
                self.shared.ledger.lock().spooled(&output.cell, batch.len());
                spooled = true;
            }
        }
        if (spooled || batch.origin().is_some())
            && let Some(spool) = self.shared.spool.opened()
        {
            spool.append(batch);
        }
    }

    /// The sender of a batch of which nothing is left may forget it all the same.
    fn note_origin(&self, batch: Batch) {
        if let (Some(_), Some(spool)) = (batch.origin(), self.shared.spool.opened()) {
            spool.append(&Arc::new(batch));
        }
    }

    fn dropped(&self, output: &OutputLink, batch: &Batch, reason: DropReason) {
        let mut ledger = self.shared.ledger.lock();
        ledger.dropped(&output.cell, batch.len() as u64, reason);
    }

    fn offer(&self, output: &OutputLink, mut batch: Arc<Batch>) {
        if let Some(filter) = &output.filter {
            batch = filter.apply(batch);
            if batch.is_empty() {
                return;
            }
            self.shared.ledger.lock().offered(&output.cell, batch.len());
        }
        let item = Outgoing::Batch(batch);
        let result = match output.on_full {
            OnFull::Block => output.queue.push(item),
            OnFull::DropOldest => output.queue.push_evicting(item, |evicted| {
                if let Outgoing::Batch(batch) = evicted {
                    self.dropped(output, &batch, DropReason::QueueFull);
                }
            }),
        };
        if let Err(Closed(Outgoing::Batch(batch))) = result {
            self.dropped(output, &batch, DropReason::OutputEnded);
        }
    }

    /// When the first transform wants to be called.
    fn wake_at(&self) -> Option<Instant> {
        if self.holds > 0 {
            return None;
        }
        let first = self.transforms.iter().filter_map(TransformTask::wake_at).min()?;
        Some(Instant::now() + first.since(self.shared.clock.now().monotonic))
    }

    /// Calls the transforms whose time has come.
    fn tick_transforms(&mut self) {
        if self.holds > 0 || self.transforms.is_empty() {
            return;
        }
        let now = self.shared.clock.now();
        for index in 0..self.transforms.len() {
            let task = &mut self.transforms[index];
            if task.wake_at().is_none_or(|at| at > now.monotonic) {
                continue;
            }
            let mut out = self.shared.catalog.batch();
            task.call(0, &self.shared, now, |transform, context| {
                transform.tick(&mut out, context)
            });
            // One that wants to be called at once again must not keep the samples from coming.
            task.sleeps_until = now.monotonic + Self::LEAST_SLEEP;
            self.emit(out, index + 1);
        }
    }

    /// Between two ticks of a transform.
    const LEAST_SLEEP: Duration = Duration::from_millis(1);

    fn tell_of_gone_series(&mut self, now: Moment) {
        if self.shared.waiting_transforms.load(Ordering::Relaxed) == 0 {
            return;
        }
        let gone = self.shared.catalog.take_gone();
        if gone.is_empty() {
            return;
        }
        for task in self
            .transforms
            .iter_mut()
            .filter(|task| task.spec.transform.waits())
        {
            task.call(0, &self.shared, now, |transform, _| {
                gone.iter().for_each(|series| transform.retired(*series));
                Ok(())
            });
        }
    }

    fn note_gone(&self) {
        let wanted = self.transforms.iter().any(|task| task.spec.transform.waits());
        self.shared.catalog.note_gone(wanted);
    }

    /// Routes what a transform has made of itself, from the transform `next` on.
    fn emit(&mut self, mut batch: Batch, next: usize) {
        if !batch.is_empty() {
            batch.take_removed();
            self.shared.ledger.lock().emitted(batch.len());
            self.route(batch, next);
        }
    }

    /// Removes a transform; what it still held passes through those after it.
    fn finish_transform(&mut self, index: usize) {
        let mut task = self.transforms.remove(index);
        let waited = usize::from(task.spec.transform.waits());
        self.shared
            .waiting_transforms
            .fetch_sub(waited, Ordering::Relaxed);
        self.note_gone();
        let mut batch = self.shared.catalog.batch();
        let context = TransformContext {
            catalog: &self.shared.catalog,
            now: self.shared.clock.now(),
        };
        if let Err(failure) = guard(|| task.spec.transform.finish(&mut batch, &context)) {
            failed(&task.cell, &failure, 0, Duration::ZERO);
        }
        task.cell.set_state(ElementState::Ended);
        self.emit(batch, index);
    }
}

impl TransformTask {
    pub(crate) const fn new(cell: Arc<ElementCell>, spec: TransformSpec) -> Self {
        Self {
            cell,
            spec,
            restart_at: None,
            wake_at: None,
            sleeps_until: Monotonic::from_nanos(0),
        }
    }

    fn wake_at(&self) -> Option<Monotonic> {
        self.wake_at.map(|at| at.max(self.sleeps_until))
    }

    /// Lets the transform do something that concerns so many samples, if it is not paused, ended or waiting for its
    /// restart.
    fn call(
        &mut self,
        samples: usize,
        shared: &Shared,
        now: Moment,
        work: impl FnOnce(&mut dyn Transform, &TransformContext<'_>) -> Result<(), Failure>,
    ) {
        if matches!(self.cell.state(), ElementState::Paused | ElementState::Ended) {
            self.wake_at = None;
            return;
        }
        if let Some(at) = self.restart_at {
            if now.monotonic < at {
                self.wake_at = self.wake_at.map(|_| at);
                return;
            }
            reset(self.cell.key(), || self.spec.transform.reset());
        }
        let context = TransformContext {
            catalog: &shared.catalog,
            now,
        };
        let started = shared.clock.now().monotonic;
        let result = guard(|| {
            let result = work(&mut *self.spec.transform, &context);
            self.wake_at = self.spec.transform.wake_at();
            result
        });
        let busy = shared.clock.now().monotonic.since(started);
        self.restart_at = judge(&self.cell, result, samples as u64, busy, now.monotonic);
    }
}
