//! What the next transaction writes, and what becomes of it.

use alumet_core::time::Timestamp;

use super::state::State;
use super::wanted::Wanting;
use crate::record::{Job, Outcome};

impl State {
    /// Takes all that is not on disk.
    pub(super) fn take_job(&mut self, now: Timestamp) -> Job {
        let unwritten = std::mem::take(&mut self.unwritten);
        let on_disk = self.committed.sequence.max(self.start.sequence);
        let stand = |output: &String| {
            let cursor = self.cursors.get(output)?;
            Some((output.clone(), cursor.done, cursor.position.clone()))
        };
        Job {
            instances: self.numberings.newest_two(),
            numberings: match unwritten.numberings {
                true => self.numberings.all().copied().collect(),
                false => Vec::new(),
            },
            records: self.tail_after(on_disk).cloned().collect(),
            cursors: unwritten.cursors.iter().filter_map(stand).collect(),
            losses: match unwritten.losses {
                true => self.losses.all().to_vec(),
                false => Vec::new(),
            },
            origins: self.origins.to_write(),
            room_for_wanted: self.wanted.room(),
            wanted_since: Wanting::since(now),
            now,
            waiting: self.start,
            start: self.keeping.gone.sequence,
            generation: self.oldest_generation(),
            head: self.head,
            changes: self.changes,
            unwritten,
        }
    }

    /// The transaction is on disk, but for the records that it had no time to delete.
    pub(super) fn settle(&mut self, job: &Job, outcome: Outcome) {
        self.committed_changes = job.changes;
        self.committed = self.committed.max(job.head);
        self.origins.settle(job.changes);
        self.unwritten.add(outcome.left);
        for &(sender, sequence) in &job.unwritten.brought {
            self.wanted.remove(sender, sequence);
            self.origins.tell(sender);
        }
        if !outcome.wanted.is_empty() {
            self.wanted.forget_before(job.wanted_since);
            self.wanted.add(outcome.wanted);
            self.add_had(outcome.had);
            self.origins.end_waiting();
        }
    }

    /// The transaction has failed: all of it has to be written again.
    pub(super) fn give_back(&mut self, job: Job) {
        let later = std::mem::replace(&mut self.unwritten, job.unwritten);
        self.unwritten.add(later);
    }
}
