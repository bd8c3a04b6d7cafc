//! What feeds an output: takes batches from its queue or from the spool, joins them, tries again what failed, and keeps
//! the account.
//!
//! [`Writer`] decides and never waits; [`thread`] and [`task`] wait for it and run what it begins.

mod account;
mod intake;
mod progress;
mod task;
mod thread;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tracing::Span;
use tracing::field::display;

use crate::failure::{Failure, Remedy};
use crate::output::{Delivering, Delivery, DeliveryFuture, Output, Receipt};
use crate::plugin::{DeliveryPolicy, OutputSpec};
use crate::spool::Spooled;

use super::backlog::{Backlog, Loaded};
use super::element::ElementCell;
use super::ledger::DropReason;
use super::message::{Outgoing, Ticket};
use super::queue::{Popped, Queue};
use super::shared::Shared;
use super::supervise::{Backoff, guard, reset};

use account::Account;
use intake::Intake;
use progress::Progress;

pub(crate) use task::spawn as spawn_task;
pub(crate) use thread::spawn as spawn_thread;

/// Decides what an output gets, and when.
pub(crate) struct Writer {
    output: Box<dyn Output>,
    queue: Arc<Queue<Outgoing>>,
    backlog: Option<Arc<Backlog>>,
    policy: DeliveryPolicy,
    shared: Arc<Shared>,
    account: Account,
    /// What is taken and not begun.
    intake: Intake,
    /// What is begun or about to come again, and what the spool can be told.
    progress: Progress,
    /// What comes again, in order.
    again: VecDeque<Job>,
    /// How many deliveries are under way.
    under_way: usize,
    /// What their records have in bytes.
    bytes_under_way: usize,
    /// Nothing is begun before this instant, nor before everything under way has ended.
    rest: Option<Instant>,
    /// Whether the destination has asked for that.
    rest_is_asked_for: bool,
    must_reset: bool,
    /// Whether the output knows where it stands.
    is_ready: bool,
    /// Everything before this request is delivered, and nothing after it is taken.
    flush: Option<Ticket>,
    /// How many attempts have failed since.
    failed_to_flush: u32,
    phase: Phase,
    /// Once the end is near: when it came near, or something was last delivered.
    last_move: Option<Instant>,
    stop: CancellationToken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Working,
    /// Nothing new comes.
    Closing,
    /// Nothing is begun any more.
    Leaving(DropReason),
}

/// Samples on their way, which are delivered together.
struct Job {
    /// Which of the entries of [`Progress`] they belong to.
    entry: u64,
    /// Where they begin in it.
    offset: usize,
    delivery: Delivery,
    /// How often the output has panicked over them.
    panics: u32,
    /// The attempt, while it is under way.
    span: Span,
}

/// What a writer wants next.
enum Step {
    /// Waits for the future, and tells [`Writer::ended`] what came of it.
    Await(Job, DeliveryFuture, Instant),
    /// Reads the spool, and gives [`Writer::loaded`] what there was; `all` as in [`Backlog::load`].
    Load { all: bool },
    /// Waits until the deadline for what is under way and for a change of the queue since that version.
    Wait { version: u64, deadline: Option<Instant> },
    /// Ends.
    End,
}

/// How many bytes of encoded records may be under way, besides the last of them: small ones may be many.
const BYTES_UNDER_WAY: usize = 4 << 20;
/// How long a server that does not answer is waited for when the program ends and everything is in the spool.
const PATIENCE_AT_THE_END: Duration = Duration::from_secs(2);
/// After so many attempts in vain, nobody waits for a flush any more.
const ATTEMPTS_TO_FLUSH: u32 = 3;
/// What an output has panicked over so often, it does not get again: it would never get anything else.
const PANICS: u32 = 3;
/// The longest pause before another attempt while somebody waits for it.
const SHORT_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause that a destination can ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

impl Writer {
    /// Feeds an output from its queue, or from the spool if it has a backlog.
    pub(crate) fn new(
        spec: OutputSpec,
        cell: Arc<ElementCell>,
        shared: Arc<Shared>,
        queue: Arc<Queue<Outgoing>>,
        backlog: Option<Arc<Backlog>>,
    ) -> Self {
        let policy = spec.policy;
        Self {
            output: spec.output,
            queue,
            policy,
            account: Account::new(cell, Arc::clone(&shared), backlog.is_some()),
            intake: Intake::new(policy, shared.catalog.clone()),
            shared,
            progress: Progress::default(),
            again: VecDeque::new(),
            under_way: 0,
            bytes_under_way: 0,
            rest: None,
            rest_is_asked_for: false,
            must_reset: false,
            is_ready: backlog.is_none(),
            flush: None,
            failed_to_flush: 0,
            phase: Phase::Working,
            last_move: None,
            stop: CancellationToken::new(),
            backlog,
        }
    }

    /// Does what can be done without waiting, and says what is to be waited for.
    fn step(&mut self) -> Step {
        loop {
            let now = Instant::now();
            let version = self.queue.version();
            if self.queue.is_abandoned() || self.leaves_at().is_some_and(|at| at <= now) {
                self.leave(DropReason::Shutdown);
            }
            if self.last_move.is_none() && self.queue.is_closed() {
                self.hasten(now);
            }
            if let Phase::Leaving(_) = self.phase {
                return Step::End;
            }
            if self.rest.is_some_and(|until| until <= now) && self.under_way == 0 {
                self.rest = None;
            }
            if self.rest.is_none() && self.must_reset && self.under_way == 0 {
                self.must_reset = false;
                reset(self.account.key(), || self.output.reset());
            }
            if self.rest.is_some() && self.flush.is_none() {
                self.flush_without_a_rest(now);
            }
            if !self.is_ready {
                if self.rest.is_some() {
                    return self.wait(now, version);
                }
                self.resume();
                continue;
            }
            if let Some(job) = self.next_job(now) {
                if let Some(step) = self.begin(job) {
                    return step;
                }
                continue;
            }
            self.tell(now);
            if self.wants_to_load() {
                return Step::Load {
                    all: self.drains_all(),
                };
            }
            if self.is_idle() && self.settle(now) || self.wants_to_take() && self.take() {
                continue;
            }
            return self.wait(now, version);
        }
    }

    fn wait(&self, now: Instant, version: u64) -> Step {
        let (rests, is_free) = (self.rest.is_some(), self.under_way == 0);
        let begins = !rests && self.has_room() && !self.queue.is_paused();
        let deadlines = [
            self.rest.filter(|_| is_free),
            self.intake.due().filter(|_| begins),
            self.progress.due(now).filter(|_| !rests && is_free),
            self.leaves_at(),
        ];
        let first = deadlines.into_iter().flatten().min();
        let deadline = first.map(|deadline| deadline.max(now));
        Step::Wait { version, deadline }
    }

    /// Whether a new item may be taken from the queue.
    fn wants_to_take(&self) -> bool {
        self.phase == Phase::Working
            && self.is_ready
            && self.rest.is_none()
            && self.again.is_empty()
            && self.flush.is_none()
            && self.intake.has_room()
    }

    /// Takes the next item from the queue; says whether something has changed.
    fn take(&mut self) -> bool {
        match self.queue.take() {
            Popped::Item(Outgoing::Batch(batch)) => self.intake.take(None, batch),
            Popped::Item(Outgoing::Spooled) => {
                if let Some(backlog) = &self.backlog {
                    backlog.bell.heard();
                }
                self.intake.is_hungry = true;
            }
            Popped::Item(Outgoing::Flush(ticket)) => self.begin_to_flush(ticket),
            Popped::End => {
                self.phase = Phase::Closing;
                self.intake.is_hungry = self.backlog.is_some();
            }
            Popped::Late => return false,
        }
        true
    }

    /// The end is near: nobody waits for long any more.
    fn hasten(&mut self, now: Instant) {
        self.last_move = Some(now);
        if self.rest.is_some() && self.backlog.is_some() && !self.progress.has_news() {
            // What fails stays in the spool.
            return self.leave(DropReason::Shutdown);
        }
        self.rest = self.rest.map(|until| until.min(now + SHORT_PAUSE));
    }

    /// When a destination that does not answer is left alone, because the program ends and everything is in the spool.
    fn leaves_at(&self) -> Option<Instant> {
        self.backlog.as_ref().filter(|_| self.under_way > 0)?;
        Some(self.last_move? + PATIENCE_AT_THE_END)
    }

    fn drains_all(&self) -> bool {
        self.flush.is_some() || self.phase == Phase::Closing
    }

    fn wants_to_load(&self) -> bool {
        self.backlog.is_some()
            && self.rest.is_none()
            && self.again.is_empty()
            && self.intake.is_hungry
            && self.intake.has_room()
            && !self.queue.is_paused()
    }

    /// The spool was read.
    fn loaded(&mut self, result: Result<Vec<Loaded>, Failure>) {
        let items = match result {
            Ok(items) => items,
            Err(failure) => {
                self.failed(&failure, Duration::ZERO);
                return;
            }
        };
        self.intake.is_hungry = !items.is_empty() && self.drains_all();
        let Some(backlog) = self.backlog.clone() else {
            return;
        };
        if !items.is_empty() && !self.intake.is_hungry {
            // Requests and a pause come between two slices.
            backlog.bell.ring();
        }
        for item in items {
            self.progress.refused += self.account.left_out(&item);
            match item {
                Loaded::Batch { sequence, batch, .. } => self.intake.take(Some(sequence), batch),
                Loaded::Encoded(item) => {
                    if let Spooled::Gap(gap) = &item {
                        self.account.gap(gap);
                    }
                    self.intake.take_encoded(item);
                }
                Loaded::Gap(gap) => {
                    self.account.gap(&gap);
                    self.intake.pass(gap.last);
                }
                Loaded::Damaged { record, failure } => {
                    self.account.damaged(record.samples, &failure);
                    self.progress.refused += u64::from(record.samples);
                    self.intake.pass(record.sequence);
                }
            }
        }
    }

    /// What is to be begun now.
    fn next_job(&mut self, now: Instant) -> Option<Job> {
        if self.rest.is_some() || !self.has_room() || self.queue.is_paused() {
            return None;
        }
        if let Some(job) = self.again.pop_front() {
            return Some(job);
        }
        let ripe = self
            .intake
            .next(now, self.drains_all(), self.shared.clock.now())?;
        let entry = self.progress.open(ripe.last);
        Some(Job {
            entry,
            offset: 0,
            delivery: ripe.delivery,
            panics: 0,
            span: Span::none(),
        })
    }

    fn has_room(&self) -> bool {
        self.under_way < self.policy.in_flight.get() && self.bytes_under_way < BYTES_UNDER_WAY
    }

    /// Begins a delivery; gives the step back if it has to be waited for.
    fn begin(&mut self, mut job: Job) -> Option<Step> {
        if job.delivery.is_empty() && job.delivery.record().is_none() {
            self.progress.close(job.entry);
            return None;
        }
        job.span = self.account.attempt(job.delivery.len());
        let started = Instant::now();
        let deadline = started + self.policy.timeout;
        job.delivery
            .begin(self.shared.clock.now(), Some(deadline), &self.stop);
        match guard(|| self.output.deliver(&job.delivery)) {
            Ok(Delivering::UnderWay(future)) => {
                self.under_way += 1;
                self.bytes_under_way += job.delivery.bytes();
                return Some(Step::Await(job, future, deadline));
            }
            Ok(Delivering::Done(receipt)) => self.judge(job, Ok(receipt), started.elapsed()),
            Err(failure) => self.judge(job, Err(failure), started.elapsed()),
        }
        None
    }

    /// A delivery that was under way is over.
    fn ended(&mut self, job: Job, result: Result<Receipt, Failure>, busy: Duration) {
        self.under_way -= 1;
        self.bytes_under_way -= job.delivery.bytes();
        self.judge(job, result, busy);
    }

    fn judge(&mut self, mut job: Job, result: Result<Receipt, Failure>, busy: Duration) {
        let span = std::mem::replace(&mut job.span, Span::none());
        if self.backlog.is_some() && self.queue.is_abandoned() {
            // It stays in the spool, for the next output of this name.
            return;
        }
        let failure = match result {
            Ok(receipt) => return self.received(job, receipt, busy),
            Err(failure) => failure,
        };
        span.record("otel.status_description", display(&failure));
        drop(span);
        match failure.remedy() {
            Remedy::Skip => self.refused(&job, &failure, busy),
            Remedy::Split => {
                let halves = job.delivery.halves();
                self.divide(job, halves, &failure, busy);
            }
            Remedy::Restart if failure.is_panic() && job.panics + 1 >= PANICS => {
                self.must_reset = true;
                // Those that only came together with it are not to blame.
                let parts = job.delivery.batches_apart();
                self.divide(job, parts, &failure, busy);
            }
            Remedy::Retry | Remedy::Restart => {
                self.must_reset |= failure.remedy() == Remedy::Restart;
                job.panics += u32::from(failure.is_panic());
                self.come_again(job);
                self.failed(&failure, busy);
            }
            Remedy::End => {
                self.account.failed(&failure, busy);
                self.leave(DropReason::OutputEnded);
            }
        }
    }

    /// Two parts come again instead of the whole; what cannot be divided is refused.
    fn divide(&mut self, job: Job, parts: Option<(Delivery, Delivery)>, failure: &Failure, busy: Duration) {
        let Some((first, second)) = parts else {
            return self.refused(&job, failure, busy);
        };
        self.progress.divide(job.entry);
        let offset = job.offset + first.len();
        for (offset, delivery) in [(offset, second), (job.offset, first)] {
            self.come_again(Job {
                offset,
                delivery,
                span: Span::none(),
                ..job
            });
        }
    }

    /// The destination has it, but for what the receipt says.
    fn received(&mut self, job: Job, mut receipt: Receipt, busy: Duration) {
        let len = job.delivery.len();
        receipt.settle(len);
        let (rejected, again) = (receipt.rejected.len(), receipt.again.len());
        for rejection in &receipt.rejected {
            self.account.rejected(&rejection.reason);
        }
        if rejected > 0 {
            self.drop_rejected(rejected);
        }
        self.account
            .delivered(len - rejected - again, busy, !self.progress.is_put_off());
        self.last_move = self.last_move.map(|_| Instant::now());
        if again == 0 {
            self.progress.close(job.entry);
            return;
        }
        let delivery = job.delivery.select(&receipt.again);
        self.come_again(Job {
            entry: job.entry,
            offset: job.offset + receipt.again[0],
            delivery,
            panics: 0,
            span: Span::none(),
        });
        let failure = Failure::retry(format!("the destination puts {again} of {len} samples off"));
        let failure = match receipt.after {
            Some(after) => Failure::retry_after(after, failure.to_string()),
            None => failure,
        };
        self.failed(&failure, Duration::ZERO);
    }

    /// The destination refuses a whole delivery for good.
    fn refused(&mut self, job: &Job, failure: &Failure, busy: Duration) {
        self.account.rejected(&failure.to_string());
        self.drop_rejected(job.delivery.len());
        self.account.skipped(failure, busy);
        self.progress.close(job.entry);
    }

    fn drop_rejected(&mut self, samples: usize) {
        self.account.dropped(samples, DropReason::Rejected);
        self.progress.refused += samples as u64;
    }

    fn come_again(&mut self, job: Job) {
        let after = self
            .again
            .iter()
            .position(|other| (other.entry, other.offset) > (job.entry, job.offset));
        self.again.insert(after.unwrap_or(self.again.len()), job);
    }

    /// Something failed that is worth another attempt; everything rests.
    fn failed(&mut self, failure: &Failure, busy: Duration) {
        if self.queue.is_closed() && self.backlog.is_some() && failure.remedy() != Remedy::End {
            self.account.failed(failure, busy);
            // It stays in the spool.
            return self.leave(DropReason::Shutdown);
        }
        self.pause(failure, busy);
    }

    fn pause(&mut self, failure: &Failure, busy: Duration) {
        // What was under way together fails together, and counts once.
        let in_a_row = match self.rest {
            Some(_) if failure.remedy() == Remedy::Retry => 1,
            _ => self.account.failed(failure, busy),
        };
        if failure.remedy() == Remedy::End {
            return self.leave(DropReason::OutputEnded);
        }
        let pause = failure.after().map_or_else(
            || Backoff::WRITE.after_with_jitter(in_a_row),
            |asked| asked.min(LONGEST_PAUSE),
        );
        self.rest_is_asked_for = failure.after().is_some();
        let is_urgent = self.queue.is_closed() || self.flush.is_some() && !self.rest_is_asked_for;
        let pause = if is_urgent { pause.min(SHORT_PAUSE) } else { pause };
        let until = Instant::now() + pause;
        self.rest = Some(self.rest.map_or(until, |rest| rest.max(until)));
        self.failed_to_flush += 1;
        if self.failed_to_flush >= ATTEMPTS_TO_FLUSH || self.rest_is_asked_for {
            self.refuse_to_flush();
        }
    }

    /// Whoever wants everything to be delivered does not wait for the end of a rest.
    fn flush_without_a_rest(&mut self, now: Instant) {
        let ticket = self.queue.take_if(|item| matches!(item, Outgoing::Flush(_)));
        if let Some(Outgoing::Flush(ticket)) = ticket {
            self.begin_to_flush(ticket);
            if self.rest_is_asked_for {
                self.refuse_to_flush();
            } else {
                self.rest = Some(now);
            }
        }
    }

    fn begin_to_flush(&mut self, ticket: Ticket) {
        self.flush = Some(ticket);
        self.failed_to_flush = 0;
        self.intake.is_hungry = self.backlog.is_some();
    }

    fn refuse_to_flush(&mut self) {
        if let Some(ticket) = self.flush.take() {
            let _ = ticket.send(self.account.problem());
        }
    }

    /// Whether nothing is in hand.
    fn is_idle(&self) -> bool {
        self.rest.is_none()
            && self.under_way == 0
            && self.again.is_empty()
            && self.intake.is_empty()
            && !self.intake.is_hungry
    }

    /// Answers a request, or ends, now that nothing is in hand; says whether something has changed.
    fn settle(&mut self, now: Instant) -> bool {
        if self.flush.is_none() && self.phase != Phase::Closing {
            return false;
        }
        if self.progress.has_news() {
            // Not before its time, and not in vain.
            self.checkpoint(now);
            return true;
        }
        if self.flush.take().is_none() {
            self.leave(DropReason::Shutdown);
            self.finish();
        }
        true
    }

    fn leave(&mut self, reason: DropReason) {
        if !matches!(self.phase, Phase::Leaving(_)) {
            self.phase = Phase::Leaving(reason);
            self.stop.cancel();
        }
    }

    /// Everything ends; nothing is under way any more.
    fn end(mut self) {
        let reason = match self.phase {
            Phase::Leaving(reason) => reason,
            Phase::Working | Phase::Closing => DropReason::Shutdown,
        };
        if let Some(backlog) = self.backlog.clone() {
            if reason == DropReason::OutputEnded {
                // It never goes back: what it has delivered counts.
                self.progress.tell(&backlog, None, &self.account);
                backlog.reader.forget();
                self.account.forget_spooled(reason);
            } else if self.progress.has_news() && !self.queue.is_abandoned() {
                self.checkpoint(Instant::now());
            }
        }
        let Self {
            output,
            queue,
            account,
            intake,
            ..
        } = self;
        queue.abandon();
        drop(intake);
        // First the destructor, which may close what is open, then the end is announced.
        drop(output);
        account.ended(reason);
    }
}

/// What concerns the spool.
impl Writer {
    /// Goes back to where the output was when the spool was told last, and tells the spool where it begins.
    ///
    /// Nothing is on disk without the position from which it was written: what the program writes comes again if it is killed
    /// before the next checkpoint, from here or from those who sent it, and the output knows it by that.
    fn resume(&mut self) {
        let Some(backlog) = self.backlog.clone() else {
            self.is_ready = true;
            return;
        };
        let position = match backlog.reader.position() {
            Ok(position) => position,
            Err(failure) => return self.not_ready(&failure),
        };
        let has_finished = position.as_deref() == Some(FINISHED);
        if !self.progress.is_resumed && !has_finished {
            // None has come to its disk if that failed from the beginning, although something was written.
            match guard(|| self.output.resume(&position.unwrap_or_default())) {
                Err(failure) if failure.remedy() != Remedy::Skip => return self.not_ready(&failure),
                Ok(()) | Err(_) => self.progress.is_resumed = true,
            }
        }
        match guard(|| self.output.checkpoint()) {
            Ok(begin) => {
                self.progress.has_position = begin.is_some();
                if begin.is_some() {
                    backlog.reader.acknowledge(0, begin);
                }
                self.is_ready = true;
            }
            Err(failure) if failure.remedy() == Remedy::Skip => self.is_ready = true,
            Err(failure) => self.not_ready(&failure),
        }
        if self.is_ready {
            self.account.works(0, Duration::ZERO);
        }
    }

    fn not_ready(&mut self, failure: &Failure) {
        self.must_reset |= failure.remedy() == Remedy::Restart;
        self.failed(failure, Duration::ZERO);
    }

    /// Tells the spool what is done, if it is time for that.
    fn tell(&mut self, now: Instant) {
        if self.under_way == 0 && self.rest.is_none() && self.progress.due(now).is_some_and(|due| due <= now)
        {
            self.checkpoint(now);
        } else if !self.progress.has_position {
            self.acknowledge(None);
        }
    }

    /// Tells the spool what is done, once that survives a crash.
    fn checkpoint(&mut self, now: Instant) {
        match guard(|| self.output.checkpoint()) {
            Ok(position) => {
                self.progress.has_position = position.is_some();
                self.acknowledge(position);
            }
            Err(failure) => {
                self.progress.put_off(now);
                // Retried to the very end: what is done would be done twice otherwise.
                self.pause(&failure, Duration::ZERO);
            }
        }
    }

    fn acknowledge(&mut self, position: Option<Vec<u8>>) {
        if let Some(backlog) = self.backlog.clone() {
            self.progress.tell(&backlog, position, &self.account);
        } else {
            self.progress.forget();
        }
    }

    /// Tells the spool that nothing is to be taken back at the next start.
    fn finish(&self) {
        if let Some(backlog) = &self.backlog
            && backlog.reader.waiting() == 0
            && matches!(backlog.reader.position(), Ok(Some(_)))
        {
            backlog.reader.acknowledge(0, Some(FINISHED.to_vec()));
        }
    }
}

/// Stands for the position of an output that has ended in good order: it goes on wherever it is.
const FINISHED: &[u8] = &[];

/// A delivery was abandoned.
fn no_answer() -> Failure {
    Failure::retry("no answer in time; the delivery was abandoned and will be repeated")
}
