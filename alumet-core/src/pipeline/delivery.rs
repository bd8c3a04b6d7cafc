//! What to do after an attempt to write: the part that threads and tasks have in common.

use std::sync::Arc;
use std::time::Duration;

use crate::failure::{Failure, Remedy};

use super::element::{ElementCell, ElementState};
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
    /// The next batch.
    GoOn,
    /// The same batch again, after a pause and, if asked for, a reset.
    Again { after: Duration, reset: bool },
    /// Nothing any more: the output has ended.
    End,
}

impl Delivery {
    /// Judges an attempt to write `samples` samples.
    pub(crate) fn written(&self, result: Result<(), Failure>, samples: usize, busy: Duration) -> Next {
        let key = self.cell.key();
        let failure = match result {
            Ok(()) => {
                self.shared.ledger.lock().delivered(key, samples);
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
                self.dropped(samples, DropReason::Rejected);
                Next::GoOn
            }
            Remedy::End => {
                self.dropped(samples, DropReason::OutputEnded);
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

    fn failed(&self, failure: &Failure, busy: Duration) -> u32 {
        let state = state_after(failure.remedy());
        let in_a_row = self.cell.failed(state, &failure.to_string(), 0, busy);
        log_failure(self.cell.key(), failure, in_a_row);
        in_a_row
    }

    pub(crate) fn dropped(&self, samples: usize, reason: DropReason) {
        self.shared
            .ledger
            .lock()
            .dropped(self.cell.key(), samples, reason);
    }

    /// The output works no more; what it still had is dropped.
    pub(crate) fn ended(&self, reason: DropReason) {
        let left = self.shared.ledger.lock().give_up(self.cell.key(), reason);
        if left > 0 {
            tracing::error!(element = %self.cell.key(), samples = left, %reason, "samples were dropped");
        }
        self.cell.set_state(ElementState::Ended);
    }
}
