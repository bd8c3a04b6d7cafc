//! Drops the oldest records when there is no room for them any more, or when they are too old.

use std::sync::Arc;
use std::time::Duration;

use alumet_core::spool::GapReason;
use alumet_core::time::Timestamp;
use alumet_shared_sqlite_file::DiskError;

use super::Log;
use super::state::State;
use crate::disk::Disk;
use crate::record::{Entry, Loss};

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
                let in_memory = state.oldest_in_tail();
                let in_memory = in_memory.map(|_| state.tail.iter().take(STEP).cloned().collect());
                (state.start, tail.unwrap_or(state.head), in_memory)
            };
            let oldest: Vec<_> = match (in_memory, disk) {
                (Some(found), _) => found,
                (None, Some(disk)) => {
                    let found = disk.headers(start.sequence, bound.sequence, STEP)?;
                    found.into_iter().map(Arc::new).collect()
                }
                (None, None) => return Ok(()),
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

    /// Evicts of the oldest records those that must go; says whether more may have to.
    fn evict(&mut self, oldest: &[Arc<Entry>], max_bytes: u64, cutoff: Timestamp) -> bool {
        for entry in oldest {
            let reason = if entry.appended < cutoff {
                GapReason::Expired
            } else if self.head.bytes.saturating_sub(self.start.bytes) > max_bytes {
                GapReason::Full
            } else {
                self.oldest = Some(Arc::clone(entry));
                return false;
            };
            self.lose(Loss {
                begin: self.start,
                end: entry.end,
                time: entry.time,
                reason,
            });
        }
        !oldest.is_empty()
    }
}
