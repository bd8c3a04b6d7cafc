//! Drops the oldest records when there is no room for them any more, or when they are too old.

use std::sync::Arc;
use std::time::Duration;

use alumet_core::spool::GapReason;
use alumet_core::time::Timestamp;

use super::Log;
use super::state::State;
use crate::disk::{Disk, DiskError};
use crate::record::{Entry, Loss, Mark, join_times};

/// How many records are looked at in one step.
const STEP: usize = 1024;

impl Log {
    /// Evicts what must go. Without an open file, only what is in memory.
    pub(super) fn evict(&self, disk: Option<&Disk>) -> Result<(), DiskError> {
        let cutoff = self.clock.now().wall.saturating_sub(self.config.max_age);
        loop {
            let (start, bound, in_memory) = {
                let state = self.state.lock();
                if !state.must_look(self.config.max_bytes, cutoff) {
                    return Ok(());
                }
                let tail = state.tail.front().map(|entry| entry.begin());
                (state.start, tail.unwrap_or(state.head), state.oldest_in_memory())
            };
            let oldest = match (in_memory, disk) {
                (found, _) if !found.is_empty() => found,
                (_, Some(disk)) => {
                    let found = disk.headers(start.sequence, bound.sequence, STEP)?;
                    found.into_iter().map(Arc::new).collect()
                }
                (_, None) => return Ok(()),
            };
            let mut state = self.state.lock();
            if state.start != start {
                continue;
            }
            if !state.evict(&oldest, self.config.max_bytes, cutoff) {
                return Ok(());
            }
        }
    }

    /// How long until the oldest record is too old.
    pub(super) fn time_to_expiry(&self, state: &State) -> Option<Duration> {
        let expires = state.oldest()?.appended.saturating_add(self.config.max_age);
        let now = self.clock.now().wall;
        Some(expires.checked_since(now).unwrap_or_default())
    }
}

impl State {
    /// Whether a record may have to go, or the oldest is not known.
    fn must_look(&self, max_bytes: u64, cutoff: Timestamp) -> bool {
        self.start.sequence < self.head.sequence
            && self.start.records < self.head.records
            && (self.head.bytes - self.start.bytes > max_bytes
                || self.oldest().is_none_or(|oldest| oldest.appended < cutoff))
    }

    /// The oldest record, if it is known.
    pub(super) fn oldest(&self) -> Option<&Arc<Entry>> {
        let known = self.oldest.as_ref();
        self.oldest_in_tail()
            .or_else(|| known.filter(|entry| entry.end.sequence > self.start.sequence))
    }

    fn oldest_in_tail(&self) -> Option<&Arc<Entry>> {
        let first = self.tail.front();
        first.filter(|entry| entry.begin().records <= self.start.records)
    }

    fn oldest_in_memory(&self) -> Vec<Arc<Entry>> {
        match self.oldest_in_tail() {
            Some(_) => self.tail.iter().take(STEP).cloned().collect(),
            None => Vec::new(),
        }
    }

    /// Evicts of the oldest records those that must go; says whether more may have to.
    fn evict(&mut self, oldest: &[Arc<Entry>], max_bytes: u64, cutoff: Timestamp) -> bool {
        let reason = |begin: Mark, entry: &Entry| match entry.appended < cutoff {
            true => Some(GapReason::Expired),
            false => (self.head.bytes.saturating_sub(begin.bytes) > max_bytes).then_some(GapReason::Full),
        };
        let mut losses: Vec<Loss> = Vec::new();
        let mut begin = self.start;
        let mut stays = None;
        for entry in oldest {
            let Some(reason) = reason(begin, entry) else {
                stays = Some(Arc::clone(entry));
                break;
            };
            match losses.last_mut().filter(|loss| loss.reason == reason) {
                Some(loss) => {
                    loss.end = entry.end;
                    loss.time = join_times(loss.time, entry.time);
                }
                None => losses.push(Loss {
                    begin,
                    end: entry.end,
                    time: entry.time,
                    reason,
                }),
            }
            begin = entry.end;
        }
        let all_went = stays.is_none() && begin != self.start;
        self.oldest = stays;
        for loss in losses {
            self.lose(loss);
        }
        all_went
    }
}
