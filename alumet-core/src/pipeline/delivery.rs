//! What to do after an attempt to write: the part that threads and tasks have in common.

use std::sync::Arc;
use std::time::Duration;

use crate::failure::{Failure, Remedy};

use super::element::{ElementCell, ElementKind, ElementState};
use super::ledger::DropReason;
use super::shared::Shared;
use super::supervise::{Backoff, log_failure, log_recovery, state_after};

/// Decides after each attempt of one output, and keeps its account.
pub(crate) struct Delivery {
    pub(crate) cell: Arc<ElementCell>,
    pub(crate) shared: Arc<Shared>,
}

/// What comes after an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The next batch: this one is written.
    GoOn,
    /// The next batch: this one is dropped and booked.
    Reject,
    /// The same batch again, after a pause and, if asked for, a reset.
    Again { after: Duration, reset: bool },
    /// Nothing any more: the output has ended.
    End,
    /// Nothing any more, because the time is over; the batch stays where it was.
    Leave,
}

/// Where a batch waits while it is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the queue of the output.
    Memory,
    /// In the spool, which is told later what was written.
    Spool,
}

impl Delivery {
    /// Judges an attempt to write `samples` samples.
    pub(crate) fn written(
        &self,
        result: Result<(), Failure>,
        samples: usize,
        place: Place,
        busy: Duration,
    ) -> Next {
        let key = self.cell.key();
        let failure = match result {
            Ok(()) => {
                if place == Place::Memory {
                    self.shared.ledger.lock().delivered(key, samples);
                }
                if self.cell.succeeded(samples as u64, busy) {
                    log_recovery(key);
                }
                return Next::GoOn;
            }
            Err(failure) => failure,
        };
        let in_a_row = self.failed(&failure, busy);
        match failure.remedy() {
            Remedy::Retry => Next::Again {
                after: Backoff::WRITE.after(in_a_row),
                reset: false,
            },
            Remedy::Restart => Next::Again {
                after: Backoff::WRITE.after(in_a_row),
                reset: true,
            },
            Remedy::Skip => {
                self.dropped(samples, place, DropReason::Rejected);
                Next::Reject
            }
            Remedy::End => {
                self.dropped(samples, place, DropReason::OutputEnded);
                Next::End
            }
        }
    }

    /// Judges a flush; it is not repeated, because the next batch or flush will.
    pub(crate) fn flushed(&self, result: Result<(), Failure>) -> Option<Failure> {
        let failure = result.err()?;
        self.failed(&failure, Duration::ZERO);
        Some(failure)
    }

    /// Notes a failure; says how often it has failed in a row.
    pub(crate) fn failed(&self, failure: &Failure, busy: Duration) -> u32 {
        let state = state_after(failure.remedy());
        let in_a_row = self.cell.failed(state, &failure.to_string(), 0, busy);
        log_failure(self.cell.key(), failure, in_a_row);
        in_a_row
    }

    pub(crate) fn dropped(&self, samples: usize, place: Place, reason: DropReason) {
        let mut ledger = self.shared.ledger.lock();
        match place {
            Place::Memory => ledger.dropped(self.cell.key(), samples, reason),
            Place::Spool => ledger.dropped_from_spool(self.cell.key(), samples as u64, reason),
        }
    }

    pub(crate) fn delivered_from_spool(&self, samples: u64) {
        self.shared
            .ledger
            .lock()
            .delivered_from_spool(self.cell.key(), samples);
    }

    pub(crate) fn dropped_from_spool(&self, samples: u64, reason: DropReason) {
        self.shared
            .ledger
            .lock()
            .dropped_from_spool(self.cell.key(), samples, reason);
    }

    /// The spool keeps nothing for this output any more.
    pub(crate) fn forget_spooled(&self, reason: DropReason) {
        self.dropped_from_spool(u64::MAX, reason);
    }

    /// The output works no more; what it still had is dropped.
    pub(crate) fn ended(&self, reason: DropReason) {
        let left = self.shared.ledger.lock().give_up(self.cell.key(), reason);
        if left > 0 {
            tracing::error!(element = %self.cell.key(), samples = left, %reason, "samples were dropped");
        }
        self.cell.set_state(ElementState::Ended);
        if reason == DropReason::OutputEnded {
            self.shared.element_ended(ElementKind::Output);
        }
    }
}
