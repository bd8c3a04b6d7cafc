use std::time::Duration;

use crate::batch::Batch;
use crate::pipeline::element::{ElementKey, ElementState};
use crate::pipeline::shared::Shared;
use crate::progress::{Progress, StreamId};
use crate::source::Tick;
use crate::time::{Moment, Monotonic};

use super::Due;
use super::task::PollTask;

/// Sources with the same intervals, polled back to back into one batch.
///
/// Ticks lie on a grid of multiples of the interval, counted from the start of the pipeline, so a late tick never shifts
/// the next one and sources with the same interval stay together whenever they were added.
pub(super) struct Group {
    interval: Option<Duration>,
    flush: Option<Duration>,
    origin: Monotonic,
    next: Monotonic,
    next_flush: Monotonic,
    tasks: Vec<PollTask>,
    batch: Option<Batch>,
    /// What its sources make, up to the tick at which they were polled last.
    stream: StreamId,
    polled_at: Option<Moment>,
}

impl Group {
    pub(super) fn new(interval: Option<Duration>, flush: Option<Duration>, origin: Monotonic) -> Self {
        Self {
            interval,
            flush,
            origin,
            next: origin,
            next_flush: origin,
            tasks: Vec::new(),
            batch: None,
            stream: StreamId::new(),
            polled_at: None,
        }
    }

    pub(super) fn serves(&self, interval: Option<Duration>, flush: Option<Duration>) -> bool {
        self.interval == interval && self.flush == flush
    }

    pub(super) fn add(&mut self, task: PollTask, now: Monotonic) {
        if self.tasks.is_empty() {
            self.realign(now);
            self.next_flush = now + self.flush.unwrap_or_default();
        }
        self.tasks.push(task);
    }

    /// The first tick of the grid after `now` is the next one; ticks before it do not count as missed.
    pub(super) fn realign(&mut self, now: Monotonic) {
        let Some(interval) = self.interval else { return };
        let interval = nanos(interval);
        let passed = now.since(self.origin).as_nanos() as u64 / interval;
        self.next = self.origin + Duration::from_nanos((passed + 1).saturating_mul(interval));
    }

    pub(super) fn deadline(&self) -> Option<Monotonic> {
        let awake =
            self.interval.is_some() && self.tasks.iter().any(|task| task.state() != ElementState::Paused);
        awake.then_some(self.next)
    }

    /// The tick that is due at `now`, if any; moves on to the next one and counts the ticks between.
    pub(super) fn due(&mut self, now: Monotonic) -> Option<Due> {
        // None if all are paused.
        self.deadline()?;
        self.advance(now)
    }

    fn advance(&mut self, now: Monotonic) -> Option<Due> {
        let interval = nanos(self.interval?);
        if now < self.next {
            return None;
        }
        let at = self.next;
        let lateness = now.since(at);
        let missed = nanos(lateness) / interval;
        self.next = Monotonic::from_nanos(at.as_nanos() + (missed + 1) * interval);
        Some(Due { at, lateness, missed })
    }

    /// Polls the tasks that `which` selects, at the same tick.
    /// One whose poll takes longer than `allowed` is noted.
    pub(super) fn poll(
        &mut self,
        tick: Tick,
        allowed: Option<Duration>,
        shared: &Shared,
        which: impl Fn(&PollTask) -> bool,
    ) {
        let now = Moment {
            wall: tick.timestamp,
            monotonic: tick.monotonic,
        };
        if self.polled_at.is_some_and(|before| before.steps_to(now)) {
            self.flush(shared);
        }
        self.polled_at = Some(now);
        let batch = self.batch.get_or_insert_with(|| shared.catalog.batch());
        let before = batch.len();
        for task in self.tasks.iter_mut().filter(|task| which(task)) {
            task.poll(tick, allowed, batch, shared);
        }
        let made = batch.len() - before;
        if made > 0 {
            shared.ledger.lock().polled(made);
        }
        let has_ended = |task: &mut PollTask| task.state() == ElementState::Ended;
        for task in self.tasks.extract_if(.., has_ended) {
            shared.source_ended(task.cell());
        }
        if self.tasks.is_empty() {
            self.flush(shared);
        }
    }

    /// Whether what was polled at the tick `at` is to be handed on now.
    pub(super) fn must_flush(&mut self, at: Monotonic) -> bool {
        /// A hand-over wakes other threads, which costs as much as a poll.
        const SHORTEST: Duration = Duration::from_millis(10);
        let Some(interval) = self.interval else {
            return true;
        };
        let flush = match self.flush {
            Some(flush) => flush,
            None if interval < SHORTEST => SHORTEST,
            None => return true,
        };
        // Half an interval of tolerance: ticks come on a grid that the flush interval need not fit.
        if at + interval / 2 >= self.next_flush {
            self.next_flush = at + flush;
            return true;
        }
        self.batch
            .as_ref()
            .is_some_and(|batch| batch.len() >= Batch::LARGEST)
    }

    pub(super) fn flush_if_immediate(&mut self, shared: &Shared) {
        if self.flush.is_none() {
            self.flush(shared);
        }
    }

    /// Hands on everything that waits.
    pub(super) fn flush(&mut self, shared: &Shared) {
        // Not even an empty batch stays: it would keep retired series from being forgotten.
        let Some(mut batch) = self.batch.take() else {
            return;
        };
        if let Some(until) = self.polled_at {
            let stream = self.stream;
            batch.set_progress(Progress { stream, until });
        }
        if shared.is_wanted(&batch) {
            shared.hand_on(batch);
        }
    }

    /// Those of the named sources that are here.
    pub(super) fn named(&mut self, keys: &[ElementKey]) -> impl Iterator<Item = &mut PollTask> {
        self.tasks.iter_mut().filter(|task| keys.contains(task.key()))
    }

    pub(super) fn has_wanted(&self) -> bool {
        self.tasks.iter().any(PollTask::is_wanted)
    }

    /// Time between two ticks; `None` while all rest.
    pub(super) fn interval(&self) -> Option<Duration> {
        self.deadline().and(self.interval)
    }

    pub(super) fn take(&mut self, keys: &[ElementKey]) -> Vec<PollTask> {
        self.tasks
            .extract_if(.., |task| keys.contains(task.key()))
            .collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn group(interval: u64) -> Group {
        Group::new(
            Some(Duration::from_nanos(interval)),
            None,
            Monotonic::from_nanos(1000),
        )
    }

    #[test]
    fn a_group_joins_the_grid_at_its_next_tick() {
        let mut group = group(100);
        group.realign(Monotonic::from_nanos(1000));
        assert_eq!(group.next.as_nanos(), 1100);
        group.realign(Monotonic::from_nanos(1250));
        assert_eq!(group.next.as_nanos(), 1300);
    }

    proptest! {
        #[test]
        fn every_tick_of_the_grid_is_either_polled_or_missed(
            interval in 1_u64..1000,
            steps in proptest::collection::vec(0_u64..5000, 1..50),
        ) {
            let mut group = group(interval);
            group.realign(Monotonic::from_nanos(1000));
            let (mut now, mut seen) = (1000, 0);
            for step in steps {
                now += step;
                if let Some(due) = group.advance(Monotonic::from_nanos(now)) {
                    prop_assert_eq!(due.at.as_nanos(), 1000 + (seen + 1) * interval);
                    prop_assert_eq!(nanos(due.lateness), (now - due.at.as_nanos()).max(1));
                    seen += 1 + due.missed;
                }
                prop_assert_eq!(seen, (now - 1000) / interval);
            }
        }
    }
}
