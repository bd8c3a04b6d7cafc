use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::Span;
use tracing::field::Empty;

use crate::failure::{Failure, Remedy};
use crate::pipeline::backlog::Loaded;
use crate::pipeline::element::{ElementCell, ElementKey, ElementKind, ElementState};
use crate::pipeline::ledger::DropReason;
use crate::pipeline::message::Problem;
use crate::pipeline::shared::Shared;
use crate::pipeline::supervise::{log_failure, log_recovery, state_after};
use crate::span;
use crate::spool::Gap;

/// What everybody can see of an output: its state, its account in the ledger, and its lines in the log.
pub(super) struct Account {
    cell: Arc<ElementCell>,
    shared: Arc<Shared>,
    is_spooled: bool,
    /// When a failure was logged last.
    logged: Option<Instant>,
    /// Whether the log says that the output fails.
    is_told_to_fail: bool,
    /// Reasons of a destination that were logged.
    reasons: Vec<String>,
}

impl Account {
    /// So many different reasons are logged; a destination that glues values into its words has no end of them.
    const REASONS: usize = 16;
    /// An output that fails and works again by turns is logged as often as this.
    const QUIET: Duration = Duration::from_secs(60);

    pub(super) const fn new(cell: Arc<ElementCell>, shared: Arc<Shared>, is_spooled: bool) -> Self {
        Self {
            cell,
            shared,
            is_spooled,
            logged: None,
            is_told_to_fail: false,
            reasons: Vec::new(),
        }
    }

    pub(super) fn key(&self) -> &ElementKey {
        self.cell.key()
    }

    /// A span for an attempt to deliver so many samples.
    pub(super) fn attempt(&self, samples: usize) -> Span {
        tracing::debug_span!(
            target: span::TARGET, parent: None, "deliver", element = %self.key(), samples,
            otel.status_description = Empty
        )
    }

    /// What is wrong with the output.
    pub(super) fn problem(&self) -> Problem {
        Problem {
            element: self.key().clone(),
            error: self.cell.status().last_error.unwrap_or_default(),
        }
    }

    /// The destination has so many samples more; `recovers`: nothing else is wrong.
    pub(super) fn delivered(&mut self, samples: usize, busy: Duration, recovers: bool) {
        if !self.is_spooled {
            self.shared.ledger.lock().delivered(&self.cell, samples);
        }
        if recovers {
            self.works(samples, busy);
        }
    }

    /// The output works, and nothing else is wrong.
    pub(super) fn works(&mut self, samples: usize, busy: Duration) {
        if self.cell.succeeded(samples as u64, busy) && std::mem::take(&mut self.is_told_to_fail) {
            log_recovery(self.key());
        }
    }

    /// Notes a failure; says how often the output has failed in a row.
    pub(super) fn failed(&mut self, failure: &Failure, busy: Duration) -> u32 {
        let state = state_after(failure.remedy());
        let in_a_row = self.cell.failed(state, &failure.to_string(), 0, busy);
        let is_quiet = self.logged.is_some_and(|logged| logged.elapsed() < Self::QUIET);
        if in_a_row.is_power_of_two() && (in_a_row > 1 || !is_quiet) {
            log_failure(self.key(), failure, in_a_row);
            self.logged = Some(Instant::now());
            self.is_told_to_fail = true;
        }
        in_a_row
    }

    /// The destination works, and refuses a whole delivery.
    pub(super) fn skipped(&self, failure: &Failure, busy: Duration) {
        let state = state_after(Remedy::Skip);
        self.cell.failed(state, &failure.to_string(), 0, busy);
    }

    /// A sample is refused for good; each reason is logged once.
    pub(super) fn rejected(&mut self, reason: &str) {
        if self.reasons.len() < Self::REASONS && !self.reasons.iter().any(|known| known == reason) {
            self.reasons.push(reason.to_owned());
            tracing::warn!(
                element = %self.key(), reason,
                "the destination refuses samples for good; they are dropped and counted (rejected), and this reason is \
                 not logged again"
            );
        }
    }

    pub(super) fn dropped(&self, samples: usize, reason: DropReason) {
        if self.is_spooled {
            return self.lost(samples as u64, reason);
        }
        let mut ledger = self.shared.ledger.lock();
        ledger.dropped(&self.cell, samples as u64, reason);
    }

    pub(super) fn delivered_from_spool(&self, samples: u64) {
        let mut ledger = self.shared.ledger.lock();
        ledger.delivered_from_spool(self.key(), samples);
    }

    /// Books samples that were lost in the spool.
    pub(super) fn gap(&self, gap: &Gap) {
        tracing::error!(
            element = %self.key(), samples = gap.samples, reason = gap.reason.name(),
            "samples were lost in the spool"
        );
        self.lost(gap.samples, gap.reason.into());
    }

    /// Books a record that cannot be decoded.
    pub(super) fn damaged(&self, samples: u32, failure: &Failure) {
        tracing::error!(element = %self.key(), samples, error = %failure, "samples were lost in the spool");
        self.lost(u64::from(samples), DropReason::Damaged);
    }

    /// Books samples of the spool that are not for this output, and says how many there are.
    pub(super) fn left_out(&self, item: &Loaded) -> u64 {
        let Loaded::Batch {
            left_out,
            is_recovered,
            ..
        } = item
        else {
            return 0;
        };
        if *left_out > 0 {
            let mut ledger = self.shared.ledger.lock();
            ledger.left_out(self.key(), *left_out, *is_recovered);
        }
        *left_out
    }

    fn lost(&self, samples: u64, reason: DropReason) {
        let mut ledger = self.shared.ledger.lock();
        ledger.dropped_from_spool(self.key(), samples, reason);
    }

    /// The spool keeps nothing for this output any more.
    pub(super) fn forget_spooled(&self, reason: DropReason) {
        self.lost(u64::MAX, reason);
    }

    /// The output works no more; what it still had in memory is dropped.
    pub(super) fn ended(&self, reason: DropReason) {
        let left = self.shared.ledger.lock().give_up(&self.cell, reason);
        if left > 0 {
            tracing::error!(element = %self.key(), samples = left, %reason, "samples were dropped");
        }
        self.cell.set_state(ElementState::Ended);
        if reason == DropReason::OutputEnded {
            self.shared.element_ended(ElementKind::Output);
        }
    }
}
