//! Brings together what is in memory and what a file says, at the start and after the disk was away.

use std::sync::Arc;

use alumet_core::spool::GapReason;

use super::cursor::Cursor;
use super::state::State;
use crate::disk::Loaded;
use crate::record::{Entry, Had, Loss, Mark, Numberings};

impl State {
    /// Goes on with a file. If that is not possible, says why, and it must be set aside.
    ///
    /// `begun` says whether the identity in memory has come from a file, or is in one, already.
    pub(crate) fn take_over(&mut self, loaded: Loaded, begun: bool) -> Result<(), &'static str> {
        // Whether the dictionaries in the file are older than the one in use; 0 says that none is in use yet.
        if std::mem::take(&mut self.is_unknown) {
            self.adopt_below(loaded);
            return Ok(());
        }
        let is_newer = self.generation == 0 || self.generation > loaded.generation;
        let is_known = |instance| self.numberings.all().any(|stretch| stretch.instance == instance);
        if begun && loaded.instance().is_some_and(is_known) {
            // The file that was in use before the disk failed, or what was salvaged of it.
            let last = loaded.last.as_ref().map(|last| last.end).unwrap_or_default();
            if last.sequence > self.head.sequence {
                return Err("foreign");
            }
            self.write_all();
        } else if loaded.instance().is_none() && !loaded.is_in_use() && loaded.missing.is_none() {
            self.merge(loaded);
        } else if is_newer && !begun && self.nothing_waits() {
            self.adopt(loaded);
        } else if is_newer && !loaded.is_in_use() {
            self.merge(loaded);
        } else {
            return Err("backlog");
        }
        Ok(())
    }

    /// The file goes on with what is in memory.
    fn merge(&mut self, loaded: Loaded) {
        self.origins.merge(loaded.origins);
        self.wanted.add(loaded.wanted);
        // What is in the file belongs to an identity that is no more.
        for (output, ..) in loaded.cursors {
            self.unwritten.cursors.insert(output);
        }
        // It was not in use: they were done with all of it.
        let (record, again) = (0, None);
        let had = loaded.had.into_iter();
        self.add_had(had.map(|had| Had { record, again, ..had }).collect());
        self.write_all();
    }

    /// Goes on with what is in the file, and after that with what is in memory, of which no output has had anything.
    fn adopt_below(&mut self, loaded: Loaded) {
        let tail = std::mem::take(&mut self.tail);
        let losses = std::mem::take(&mut self.losses);
        let (head, begin) = (self.head, self.numberings.begin());
        self.head = Mark::default();
        self.adopt(loaded);
        let base = self.head;
        let after = |mark: Mark| Mark {
            sequence: mark.sequence,
            records: base.records + mark.records,
            samples: base.samples + mark.samples,
            bytes: base.bytes + mark.bytes,
        };
        self.numberings.begin_at(after(begin));
        for entry in tail {
            let entry = Entry {
                end: after(entry.end),
                ..(*entry).clone()
            };
            self.tail_bytes += entry.memory();
            self.tail.push_back(Arc::new(entry));
        }
        for loss in losses.all() {
            self.losses.insert(Loss {
                begin: after(loss.begin),
                end: after(loss.end),
                ..*loss
            });
        }
        self.unwritten.losses = true;
        self.head = after(head);
        self.changes += 1;
    }

    /// Goes on with what is in the file.
    fn adopt(&mut self, loaded: Loaded) {
        let used = self.head.sequence;
        let last = loaded.head();
        let (begin, end) = loaded.missing.unwrap_or((last, last));
        self.head = last.max(end);
        self.start = loaded.first.as_ref().map_or(begin, |first| first.begin());
        self.keeping.gone = self.start;
        self.head.sequence = self.head.sequence.max(loaded.reserved).max(used);
        self.committed = self.head;
        self.tail.clear();
        self.tail_bytes = 0;
        self.losses = Default::default();
        self.oldest = None;
        for loss in loaded.losses {
            self.losses.insert(loss);
        }
        for (output, cursor) in &mut self.cursors {
            if !loaded.cursors.iter().any(|(name, ..)| name == output) {
                *cursor = Cursor::at(self.head, cursor.position.take(), cursor.opened);
            }
        }
        // Whoever follows next may have waited for them.
        self.orphans =
            (loaded.cursors.is_empty() && self.start.samples < self.head.samples).then_some(self.start);
        // What was said of numbers in memory.
        self.unwritten.went_back.clear();
        for (output, done, position) in loaded.cursors {
            let known = self.cursors.remove(&output).unwrap_or_default();
            let cursor = Cursor::at(done, known.position.or(position), known.opened);
            self.cursors.insert(output.clone(), cursor);
            self.go_back(&output);
        }
        self.origins.merge(loaded.origins);
        self.wanted.add(loaded.wanted);
        self.add_had(loaded.had);
        let instance = self.numberings.newest();
        self.numberings = Numberings::after(loaded.numberings, self.head, instance);
        self.write_all();
        if begin < end {
            self.lose(Loss {
                begin,
                end,
                time: None,
                reason: GapReason::Damaged,
            });
        }
        self.move_start();
        if loaded.damaged {
            // Which records count within which identity may not be known any more: a server would take them twice.
            self.keeping.let_go(self.start);
        }
    }
}

#[cfg(test)]
mod tests {
    use alumet_core::spool::InstanceId;
    use alumet_core::time::Timestamp;

    use super::*;
    use crate::record::Stretch;

    #[test]
    fn the_outputs_of_an_identity_that_is_no_more_are_forgotten_in_its_file() {
        let mut state = State::new(InstanceId([1; 16]), 1 << 20, true);
        state.generation = 2;
        state.open_cursor("new");
        let loaded = Loaded {
            numberings: vec![Stretch {
                begin: Mark::default(),
                instance: InstanceId([2; 16]),
            }],
            cursors: vec![("old".to_owned(), Mark::default(), None)],
            ..Loaded::default()
        };
        assert_eq!(state.take_over(loaded, true), Ok(()));
        let job = state.take_job(Timestamp::default());
        let all: Vec<_> = job.unwritten.cursors.into_iter().collect();
        assert_eq!(all, ["new", "old"]);
        assert_eq!(job.cursors.len(), 1, "only one of them still stands somewhere");
    }
}
