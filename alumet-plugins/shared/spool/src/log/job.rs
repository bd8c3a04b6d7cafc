//! What the next transaction writes, and what becomes of it.

use super::state::{State, Unwritten};
use crate::record::{Job, Leftover};

impl State {
    /// Takes all that is not on disk.
    pub(super) fn take_job(&mut self) -> Job {
        let unwritten = std::mem::take(&mut self.unwritten);
        let on_disk = self.committed.sequence.max(self.start.sequence);
        let first = self.tail.partition_point(|entry| entry.end.sequence <= on_disk);
        let (mut cursors, mut gone) = (Vec::new(), Vec::new());
        for output in unwritten.cursors {
            match self.cursors.get(&output) {
                Some(cursor) => cursors.push((output, cursor.done, cursor.position.clone())),
                None => gone.push(output),
            }
        }
        Job {
            instance: unwritten.instance.then_some(self.instance),
            records: self.tail.range(first..).cloned().collect(),
            definitions: unwritten.definitions,
            cursors,
            gone,
            losses: unwritten.losses.then(|| self.losses.all().to_vec()),
            origins: self.origins.to_write(),
            doomed: unwritten.doomed,
            start: unwritten.start.then_some(self.start.sequence),
            generation: self.oldest_generation(),
            head: self.head,
            changes: self.changes,
        }
    }

    /// The transaction is on disk, but for the records that it had no time to delete.
    pub(super) fn settle(&mut self, job: &Job, left: Leftover) {
        self.committed_changes = job.changes;
        self.committed = self.committed.max(job.head);
        self.origins.settle(job.head.sequence);
        self.unwritten.doomed.extend(left.doomed);
        self.unwritten.start |= left.start;
    }

    /// The transaction has failed: all of it has to be written again.
    pub(super) fn give_back(&mut self, job: Job) {
        let newer = std::mem::take(&mut self.unwritten);
        let outputs = job.cursors.into_iter().map(|(output, ..)| output).chain(job.gone);
        self.unwritten = Unwritten {
            instance: newer.instance || job.instance.is_some(),
            losses: newer.losses || job.losses.is_some(),
            start: newer.start || job.start.is_some(),
            cursors: newer.cursors.into_iter().chain(outputs).collect(),
            definitions: [job.definitions, newer.definitions].concat(),
            doomed: [job.doomed, newer.doomed].concat(),
        };
    }
}
