//! What came of a run when everything is over.

use std::collections::BTreeMap;
use std::process::ExitCode;

use alumet_core::pipeline::{DropReason, ElementKey, Ledger, OutputAccount, StopReport};
use tracing::Level;

use crate::exit::FAILED;
use crate::terminal;

/// What came of a run.
pub(crate) struct Outcome {
    pub(crate) report: StopReport,
    /// What was last wrong with each element.
    pub(crate) last_errors: BTreeMap<ElementKey, String>,
    /// Plugins that were still tried again at the end, each with the reason.
    pub(crate) not_started: Vec<(&'static str, String)>,
    /// Whether the last output ended by itself.
    pub(crate) outputs_ended: bool,
}

impl Outcome {
    /// What the end of the run is worth: 0 if everything that was asked for was done. Otherwise tells what was not.
    pub(crate) fn exit_code(&self) -> ExitCode {
        let faults = self.faults();
        for fault in &faults {
            terminal::complain(Level::ERROR, fault);
        }
        if faults.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(FAILED)
        }
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let StopReport { ledger, stuck } = &self.report;
        if !self.report.is_complete() {
            let in_memory: u64 = ledger.outputs.values().map(in_memory).sum();
            let lost = ledger.dropped_total() + in_memory + unrouted(ledger);
            let left_behind = if stuck.is_empty() { "" } else { "; left behind: " };
            let stuck = stuck.join(", ");
            faults.push(format!(
                "the end is not clean: {lost} samples were dropped{left_behind}{stuck}"
            ));
        }
        if self.outputs_ended {
            faults.push("no output is left: each has ended by itself; the log says why".to_owned());
        }
        faults.extend(
            ledger
                .outputs
                .iter()
                .filter_map(|(key, account)| self.lost(key, account)),
        );
        for (plugin, error) in &self.not_started {
            faults.push(format!(
                "the plugin `{plugin}` could not be started until the end, so its part is missing: {error}\n  help: mend it, or write \
                 `on_error = \"disable\"` in [plugins.{plugin}] if it may be missing"
            ));
        }
        faults
    }

    /// What an output has lost that was not at work until the end, and why; what an output refuses or has no room for while it
    /// writes the rest is in the log.
    fn lost(&self, key: &ElementKey, account: &OutputAccount) -> Option<String> {
        let at_the_end = [DropReason::Shutdown, DropReason::OutputEnded];
        let has_failed = at_the_end
            .iter()
            .any(|reason| account.dropped.contains_key(reason));
        let lost = account.dropped_total() + in_memory(account);
        if lost == 0 || !has_failed && in_memory(account) == 0 && account.delivered > 0 {
            return None;
        }
        let why = match self.last_errors.get(key) {
            Some(error) => format!(": {error}"),
            None => String::new(),
        };
        Some(format!(
            "{key} has written {} samples and lost {lost}{why}",
            account.delivered
        ))
    }

    /// Logs what became of all samples.
    pub(crate) fn log(&self) {
        let ledger = &self.report.ledger;
        let dropped = ledger.dropped.values().sum::<u64>() + unrouted(ledger);
        let (produced, added, removed) = (ledger.produced, ledger.added, ledger.removed);
        tracing::info!(produced, added, removed, dropped, "the pipeline has stopped");
        for (key, account) in &ledger.outputs {
            let (delivered, dropped) = (account.delivered, account.dropped_total());
            if account.spooled > 0 {
                let spooled = account.spooled;
                tracing::info!(element = %key, delivered, dropped, spooled, "the output has ended; the rest waits in the spool");
            } else {
                tracing::info!(element = %key, delivered, dropped, "the output has ended");
            }
        }
    }
}

/// Samples that an output still has, and that are not in the spool.
const fn in_memory(account: &OutputAccount) -> u64 {
    account.buffered - account.spooled
}

/// Samples that have reached no output when everything is over: what was left behind still has them.
const fn unrouted(ledger: &Ledger) -> u64 {
    ledger.pending + ledger.queued
}
