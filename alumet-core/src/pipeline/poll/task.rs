use std::sync::Arc;
use std::time::Duration;

use crate::batch::Batch;
use crate::pipeline::element::{ElementCell, ElementKey, ElementState};
use crate::pipeline::shared::Shared;
use crate::pipeline::supervise::{guard, judge, reset};
use crate::plugin::SourceSpec;
use crate::source::{Accumulator, Schedule, SourceWaker, Tick};
use crate::time::{Monotonic, Waker};

/// A source under supervision.
pub(crate) struct PollTask {
    cell: Arc<ElementCell>,
    spec: SourceSpec,
    /// Not polled before this time, after a failure that asked for a restart.
    restart_at: Option<Monotonic>,
    fresh: bool,
}

impl PollTask {
    pub(crate) const fn new(cell: Arc<ElementCell>, spec: SourceSpec) -> Self {
        Self {
            cell,
            restart_at: None,
            fresh: spec.schedule.interval.is_some() && !spec.schedule.paused,
            spec,
        }
    }

    pub(crate) const fn cell(&self) -> &Arc<ElementCell> {
        &self.cell
    }

    pub(crate) fn key(&self) -> &ElementKey {
        self.cell.key()
    }

    pub(crate) const fn schedule(&self) -> &Schedule {
        &self.spec.schedule
    }

    /// Changes how often it is polled, as far as that tells more; whoever calls gives it to the right thread afterwards.
    pub(super) fn set_interval(&mut self, interval: Duration) {
        self.spec.schedule.interval = Some(interval.max(self.spec.finest));
        self.cell.set_schedule(self.spec.schedule);
    }

    pub(super) fn state(&self) -> ElementState {
        self.cell.state()
    }

    /// Whether it was not polled yet although it should be.
    pub(super) const fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Whether it is to be polled now, whatever the ticks are.
    pub(super) fn is_wanted(&self) -> bool {
        self.fresh || self.spec.waker.as_ref().is_some_and(SourceWaker::is_wanted)
    }

    /// Is polled by this thread from now on.
    pub(super) fn wakes(&self, thread: Waker) {
        if let Some(waker) = &self.spec.waker {
            waker.wakes(thread);
        }
    }

    pub(super) fn pause(&mut self) {
        self.fresh = false;
        self.cell.set_state(ElementState::Paused);
    }

    pub(super) fn resume(&mut self) {
        if self.state() != ElementState::Paused {
            return;
        }
        self.cell.set_state(ElementState::Running);
        self.reset();
        self.fresh = self.spec.schedule.interval.is_some();
    }

    /// The error of the last poll, if it failed.
    pub(super) fn last_failure(&self) -> Option<String> {
        let status = self.cell.status();
        status.last_error.filter(|_| status.failures_in_a_row > 0)
    }

    /// Polls it at `tick`, unless it is paused; a poll that takes longer than `allowed` is noted.
    pub(super) fn poll(&mut self, tick: Tick, allowed: Option<Duration>, batch: &mut Batch, shared: &Shared) {
        if matches!(self.state(), ElementState::Paused | ElementState::Ended) {
            return;
        }
        self.fresh = false;
        if tick.missed > 0 {
            self.cell.missed(tick.missed);
        }
        if let Some(at) = self.restart_at {
            if tick.monotonic < at {
                return;
            }
            self.reset();
        }
        if let Some(waker) = &self.spec.waker {
            waker.served();
        }
        let before = batch.len();
        self.cell.poll_begins();
        let started = shared.clock.now().monotonic;
        let mut out = Accumulator::new(batch, tick, &*shared.clock);
        let result = guard(|| self.spec.source.poll(&mut out));
        let busy = shared.clock.now().monotonic.since(started);
        if let Some(overruns) = self.cell.poll_ends(busy, allowed)
            && overruns.is_power_of_two()
        {
            tracing::warn!(
                element = %self.cell.key(), took = ?busy, overruns,
                "a poll took longer than the shortest interval of its thread, so ticks are missed; \
                 give the source a longer interval"
            );
        }
        let samples = (batch.len() - before) as u64;
        self.restart_at = judge(&self.cell, result, samples, busy, tick.monotonic);
    }

    fn reset(&mut self) {
        reset(self.cell.key(), || self.spec.source.reset());
    }
}
