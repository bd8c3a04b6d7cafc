//! What one transaction writes.

use std::collections::BTreeSet;
use std::sync::Arc;

use alumet_core::spool::{Definitions, InstanceId};
use alumet_core::time::Timestamp;

use super::{Arrival, Entry, Loss, Mark, Stretch};

/// The name of an output, up to where it is done, and what it stored with that.
pub(crate) type Stand = (String, Mark, Option<Vec<u8>>);

/// The highest number of a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watermark {
    pub(crate) sequence: u64,
    /// The checksum of that record.
    pub(crate) checksum: u32,
    /// When it came.
    pub(crate) seen: Timestamp,
}

/// A batch that was damaged before an output had it, and that its sender is asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WantedBatch {
    pub(crate) sender: InstanceId,
    pub(crate) sequence: u64,
    /// When that was noticed.
    pub(crate) since: Timestamp,
}

/// An output has a batch although its record was damaged since: when the batch comes again, it is for the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Had {
    pub(crate) output: String,
    pub(crate) sender: InstanceId,
    /// The number of the batch there.
    pub(crate) sequence: u64,
    /// The number of the record that the output was given.
    pub(crate) record: u64,
    /// The number of the record in which the batch has come again.
    pub(crate) again: Option<u64>,
}

impl Had {
    pub(crate) fn is_of(&self, sender: InstanceId, sequence: u64) -> bool {
        (self.sender, self.sequence) == (sender, sequence)
    }

    /// Whether the output does not have it any more once it goes back to what it was done with.
    pub(crate) fn is_undone(&self, (output, done): &(String, u64)) -> bool {
        self.output == *output && self.record > *done
    }
}

/// Records that were damaged before every output had them, as a range of their numbers.
#[derive(Debug)]
pub(crate) struct Damaged {
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// The outputs that were given some of them already, and up to where.
    pub(crate) given: Vec<(String, u64)>,
}

impl Damaged {
    /// Who has the batch of one of them.
    pub(crate) fn had(&self, arrival: &Arrival) -> impl Iterator<Item = Had> {
        let given = self.given.iter().filter(|(_, up_to)| *up_to >= arrival.record);
        given.map(|(output, _)| Had {
            output: output.clone(),
            sender: arrival.sender,
            sequence: arrival.sequence,
            record: arrival.record,
            again: None,
        })
    }
}

/// What a transaction must write besides the records and the origins.
#[derive(Debug, Default)]
pub(crate) struct Unwritten {
    /// The outputs that stand somewhere else, or do not follow any more.
    pub(crate) cursors: BTreeSet<String>,
    pub(crate) definitions: Vec<Definitions>,
    /// Whether the losses have changed.
    pub(crate) losses: bool,
    /// Whether the identities have changed.
    pub(crate) numberings: bool,
    /// Records to delete, as ranges of their numbers, both ends included.
    pub(crate) doomed: Vec<(u64, u64)>,
    /// Whether records before the start may still be on disk.
    pub(crate) start: bool,
    /// What is wanted again.
    pub(crate) damaged: Vec<Damaged>,
    /// What is wanted, for another file.
    pub(crate) wanted: Vec<WantedBatch>,
    /// What was wanted and is in this transaction.
    pub(crate) brought: Vec<(InstanceId, u64)>,
    /// What outputs have of it, where that has changed.
    pub(crate) had: Vec<Had>,
    /// The outputs that went back to what they were done with; to 0 if they do not follow any more.
    pub(crate) went_back: Vec<(String, u64)>,
}

impl Unwritten {
    /// Adds what has come later.
    pub(crate) fn add(&mut self, later: Self) {
        for back in &later.went_back {
            self.had.retain(|had| !had.is_undone(back));
            let given = self.damaged.iter_mut().flat_map(|range| &mut range.given);
            for (_, up_to) in given.filter(|(output, _)| *output == back.0) {
                *up_to = (*up_to).min(back.1);
            }
        }
        self.cursors.extend(later.cursors);
        self.definitions.extend(later.definitions);
        self.losses |= later.losses;
        self.numberings |= later.numberings;
        self.doomed.extend(later.doomed);
        self.start |= later.start;
        self.damaged.extend(later.damaged);
        self.wanted.extend(later.wanted);
        self.brought.extend(later.brought);
        self.had.extend(later.had);
        self.went_back.extend(later.went_back);
    }
}

/// What one transaction writes: what must be written, and how it is at that moment.
pub(crate) struct Job {
    pub(crate) unwritten: Unwritten,
    /// The identity of its records and that of those before.
    pub(crate) instances: [InstanceId; 2],
    /// All of them, if they have changed.
    pub(crate) numberings: Vec<Stretch>,
    pub(crate) records: Vec<Arc<Entry>>,
    /// Where those outputs stand that still follow.
    pub(crate) cursors: Vec<Stand>,
    /// All of them, if they have changed.
    pub(crate) losses: Vec<Loss>,
    pub(crate) origins: Vec<(InstanceId, Watermark)>,
    /// How many batches more can be wanted, and since when those are that still are.
    pub(crate) room_for_wanted: usize,
    pub(crate) wanted_since: Timestamp,
    pub(crate) now: Timestamp,
    /// No output needs anything up to here.
    pub(crate) waiting: Mark,
    /// Records up to this one may be deleted.
    pub(crate) start: u64,
    /// This dictionary and all later ones must stay.
    pub(crate) generation: u32,
    /// The end of the last record that there is.
    pub(crate) head: Mark,
    pub(crate) changes: u64,
}

/// What one transaction has left and found.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Records that it had no time to delete.
    pub(crate) left: Unwritten,
    /// What is wanted now.
    pub(crate) wanted: Vec<WantedBatch>,
    /// What outputs have of that.
    pub(crate) had: Vec<Had>,
}
