//! The ledger: where every sample is, at any time.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::spool::GapReason;

use super::element::{ElementCell, ElementKey};

/// Why samples were dropped on their way to an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DropReason {
    /// The queue was full and made room for newer samples.
    QueueFull,
    /// The output said that it can never write this batch.
    Rejected,
    /// The output has ended.
    OutputEnded,
    /// The agent had to stop before the output could write them.
    Shutdown,
    /// There is no output.
    NoOutput,
    /// The spool was full and made room for newer samples.
    SpoolFull,
    /// They waited in the spool for longer than the maximum age.
    Expired,
    /// What came back from the disk was damaged.
    Damaged,
}

impl From<GapReason> for DropReason {
    fn from(reason: GapReason) -> Self {
        match reason {
            GapReason::Full => Self::SpoolFull,
            GapReason::Expired => Self::Expired,
            GapReason::Damaged => Self::Damaged,
        }
    }
}

words! {
    DropReason {
        QueueFull: "queue_full",
        Rejected: "rejected",
        OutputEnded: "output_ended",
        Shutdown: "shutdown",
        NoOutput: "no_output",
        SpoolFull: "spool_full",
        Expired: "expired",
        Damaged: "damaged",
    }
}

/// Where the samples of one output are: `offered + recovered = delivered + buffered + dropped`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct OutputAccount {
    /// Samples that were meant for this output.
    pub offered: u64,
    /// Samples that waited in the spool when the output started.
    pub recovered: u64,
    /// Samples that it has written.
    pub delivered: u64,
    /// Samples that wait in its queue or in the spool, or are being written.
    pub buffered: u64,
    /// Those of them that are in the spool, where they outlive the program.
    pub spooled: u64,
    /// Samples that it will never write.
    pub dropped: BTreeMap<DropReason, u64>,
}

impl OutputAccount {
    /// All dropped samples.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// Samples that it has dealt with, for good or ill. Those that made room for others are not among them.
    pub(crate) fn finished(&self) -> u64 {
        let rejected = self.dropped.get(&DropReason::Rejected);
        self.delivered + rejected.copied().unwrap_or_default()
    }

    fn take_spooled(&mut self, samples: u64) -> u64 {
        let taken = self.spooled.min(samples);
        self.spooled -= taken;
        self.buffered -= taken;
        taken
    }
}

/// Where every sample is, at one instant.
///
/// `produced + added = pending + queued + removed + routed + dropped`, and for each output
/// `offered + recovered = delivered + buffered + dropped`, where `offered` is what was routed while the output existed, without
/// what a filter of its own leaves out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Ledger {
    /// Samples that sources have made.
    pub produced: u64,
    /// Samples that sources have made but not handed on yet.
    pub pending: u64,
    /// Samples on their way from sources to transforms.
    pub queued: u64,
    /// Samples that transforms have added.
    pub added: u64,
    /// Samples that transforms have removed.
    pub removed: u64,
    /// Samples that left the transforms.
    pub routed: u64,
    /// Samples dropped before they reached any output.
    pub dropped: BTreeMap<DropReason, u64>,
    /// One account per output, ended ones included.
    pub outputs: BTreeMap<ElementKey, OutputAccount>,
}

impl Ledger {
    /// Whether every sample is accounted for.
    pub fn is_balanced(&self) -> bool {
        let dropped: u64 = self.dropped.values().sum();
        self.produced + self.added == self.pending + self.queued + self.removed + self.routed + dropped
            && self.outputs.values().all(|account| {
                account.offered + account.recovered
                    == account.delivered + account.buffered + account.dropped_total()
                    && account.spooled <= account.buffered
            })
    }

    /// All samples dropped anywhere.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.values().sum::<u64>()
            + self
                .outputs
                .values()
                .map(OutputAccount::dropped_total)
                .sum::<u64>()
    }

    pub(crate) fn polled(&mut self, samples: usize) {
        self.produced += samples as u64;
        self.pending += samples as u64;
    }

    pub(crate) fn handed_on(&mut self, samples: usize) {
        self.pending -= samples as u64;
        self.queued += samples as u64;
    }

    /// A batch could not be handed on because the pipeline has stopped.
    pub(crate) fn refused(&mut self, samples: usize) {
        self.queued -= samples as u64;
        *self.dropped.entry(DropReason::Shutdown).or_default() += samples as u64;
    }

    /// Routed samples that no output could be offered.
    pub(crate) fn discarded(&mut self, samples: usize, reason: DropReason) {
        self.routed -= samples as u64;
        *self.dropped.entry(reason).or_default() += samples as u64;
    }

    /// A transform has emitted what it held.
    pub(crate) fn emitted(&mut self, samples: usize) {
        self.added += samples as u64;
        self.queued += samples as u64;
    }

    /// The transforms made `after` samples of `before`, of which, or of those they added, they removed `removed`.
    pub(crate) fn transformed(&mut self, before: usize, removed: usize, after: usize) {
        // A transform that has put another batch in place of this one has not said what it removed.
        let added = (after + removed).saturating_sub(before);
        self.queued -= before as u64;
        self.added += added as u64;
        self.removed += (before + added - after) as u64;
        self.routed += after as u64;
    }

    pub(crate) fn offered(&mut self, output: &ElementCell, samples: usize) {
        output.add_in_memory(samples as u64);
        let account = self.account(output.key());
        account.offered += samples as u64;
        account.buffered += samples as u64;
    }

    pub(crate) fn delivered(&mut self, output: &ElementCell, samples: usize) {
        let taken = output.take_in_memory(samples as u64);
        let account = self.account(output.key());
        account.buffered -= taken;
        account.delivered += taken;
    }

    /// Samples in memory will never be written; says how many of them were not given up before.
    pub(crate) fn dropped(&mut self, output: &ElementCell, samples: u64, reason: DropReason) -> u64 {
        let taken = output.take_in_memory(samples);
        if taken > 0 {
            let account = self.account(output.key());
            account.buffered -= taken;
            *account.dropped.entry(reason).or_default() += taken;
        }
        taken
    }

    /// Samples of an earlier run wait in the spool for an output.
    pub(crate) fn recovered(&mut self, output: &ElementKey, samples: u64) {
        let account = self.account(output);
        account.recovered += samples;
        account.buffered += samples;
        account.spooled += samples;
    }

    /// Offered samples went to the spool.
    pub(crate) fn spooled(&mut self, output: &ElementCell, samples: usize) {
        self.account(output.key()).spooled += output.take_in_memory(samples as u64);
    }

    /// An output has written samples from the spool.
    pub(crate) fn delivered_from_spool(&mut self, output: &ElementKey, samples: u64) {
        let account = self.account(output);
        let taken = account.take_spooled(samples);
        account.delivered += taken;
    }

    /// Samples in the spool will never be written.
    pub(crate) fn dropped_from_spool(&mut self, output: &ElementKey, samples: u64, reason: DropReason) {
        let account = self.account(output);
        let taken = account.take_spooled(samples);
        if taken > 0 {
            *account.dropped.entry(reason).or_default() += taken;
        }
    }

    /// Samples in the spool, of earlier runs or of this one, turn out not to be meant for an output.
    pub(crate) fn left_out(&mut self, output: &ElementKey, samples: u64, are_recovered: bool) {
        let account = self.account(output);
        let taken = account.take_spooled(samples);
        let recovered = match are_recovered {
            true => account.recovered.min(taken),
            false => taken.saturating_sub(account.offered),
        };
        account.recovered -= recovered;
        account.offered -= taken - recovered;
    }

    /// Everything that an output still had outside of the spool is dropped; says how much that was.
    pub(crate) fn give_up(&mut self, output: &ElementCell, reason: DropReason) -> u64 {
        self.dropped(output, u64::MAX, reason)
    }

    fn account(&mut self, output: &ElementKey) -> &mut OutputAccount {
        self.outputs.entry(output.clone()).or_default()
    }
}
