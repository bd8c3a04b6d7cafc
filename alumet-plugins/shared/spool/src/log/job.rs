//! What one transaction writes.

use std::sync::Arc;

use alumet_core::spool::{Definitions, InstanceId};

use super::entry::{Entry, Mark};
use super::loss::Loss;
use super::origins::Watermark;
use super::state::{State, Unwritten};

/// Up to where an output is done, and what it stored with that.
pub(crate) type Stand = (Mark, Option<Vec<u8>>);

/// What one transaction writes.
pub(crate) struct Job {
    /// Set when it has to be written.
    pub(crate) instance: Option<InstanceId>,
    pub(crate) records: Vec<Arc<Entry>>,
    pub(crate) definitions: Vec<Definitions>,
    /// Where each output stands; `None` for one that does not follow any more.
    pub(crate) cursors: Vec<(String, Option<Stand>)>,
    /// All of them, if they have changed.
    pub(crate) losses: Option<Vec<Loss>>,
    pub(crate) origins: Vec<(InstanceId, Watermark)>,
    pub(crate) notes: Vec<(String, Vec<u8>)>,
    /// Records to delete, as ranges of their numbers, both ends included.
    pub(crate) doomed: Vec<(u64, u64)>,
    /// Records up to this one may be deleted.
    pub(crate) start: Option<u64>,
    /// This dictionary and all later ones must stay.
    pub(crate) generation: u32,
    /// The end of the last record that there is.
    pub(crate) head: Mark,
    pub(crate) changes: u64,
}

impl Job {
    /// Takes all that is not on disk.
    pub(crate) fn take(state: &mut State) -> Self {
        let unwritten = std::mem::take(&mut state.unwritten);
        let on_disk = state.committed.sequence.max(state.start.sequence);
        let first = state.tail.partition_point(|entry| entry.end.sequence <= on_disk);
        let cursor = |output: String| {
            let cursor = state.cursors.get(&output).filter(|cursor| cursor.following);
            let stored = cursor.map(|cursor| (cursor.done, cursor.position.clone()));
            (output, stored)
        };
        let note = |key: String| {
            let value = state.notes.get(&key).cloned().unwrap_or_default();
            (key, value)
        };
        Self {
            instance: unwritten.instance.then_some(state.instance),
            records: state.tail.range(first..).cloned().collect(),
            definitions: unwritten.definitions,
            cursors: unwritten.cursors.into_iter().map(cursor).collect(),
            losses: unwritten.losses.then(|| state.losses.all().to_vec()),
            origins: state.origins.to_write(),
            notes: unwritten.notes.into_iter().map(note).collect(),
            doomed: unwritten.doomed,
            start: unwritten.start.then_some(state.start.sequence),
            generation: state.oldest_generation(),
            head: state.head,
            changes: state.changes,
        }
    }

    /// The transaction is on disk, but for the records that it had no time to delete.
    pub(crate) fn settle(self, state: &mut State, left: Leftover) {
        state.committed_changes = self.changes;
        if self.head.sequence > state.committed.sequence {
            state.committed = self.head;
        }
        state.origins.settle(self.head.sequence, true);
        state.unwritten.doomed.extend(left.doomed);
        state.unwritten.start |= left.start;
    }

    /// The transaction has failed: all of it has to be written again.
    pub(crate) fn give_back(self, state: &mut State) {
        let unwritten = &mut state.unwritten;
        let newer: Unwritten = std::mem::take(unwritten);
        unwritten.instance = newer.instance || self.instance.is_some();
        unwritten.losses = newer.losses || self.losses.is_some();
        unwritten.start = newer.start || self.start.is_some();
        unwritten.cursors = newer.cursors;
        unwritten
            .cursors
            .extend(self.cursors.into_iter().map(|(output, _)| output));
        unwritten.notes = newer.notes;
        unwritten.notes.extend(self.notes.into_iter().map(|(key, _)| key));
        unwritten.definitions = self.definitions;
        unwritten.definitions.extend(newer.definitions);
        unwritten.doomed = self.doomed;
        unwritten.doomed.extend(newer.doomed);
    }
}

/// What a transaction had no time to delete.
#[derive(Debug, Default)]
pub(crate) struct Leftover {
    pub(crate) doomed: Vec<(u64, u64)>,
    pub(crate) start: bool,
}
