//! What an output does with the log.

use std::sync::Arc;

use alumet_core::failure::Failure;
use alumet_core::spool::{Definitions, Gap, GapReason};

use super::state::State;
use super::{Cursor, Log};
use crate::disk::DiskError;
use crate::record::{Entry, Loss, Mark};

/// What comes next for an output.
pub(crate) enum Next {
    Entry(Arc<Entry>),
    Gap(Gap),
}

/// How often the disk may refuse to read before the file is given up.
const UNREADABLE: u32 = 3;

/// Where what comes next is to be found.
enum Place {
    /// It was given.
    Given,
    /// There is nothing more.
    End,
    /// In the file, after the first mark, and nothing but a hole if it is not before the second.
    Disk(Mark, Mark),
}

impl Log {
    /// What comes after what was given before.
    pub(crate) fn read(&self, output: &str, bytes: usize) -> Result<Vec<Next>, Failure> {
        let mut given = Vec::new();
        let mut room = bytes.max(1);
        while room > 0 {
            let place = self.state.lock().give_from_memory(output, &mut room, &mut given);
            match place {
                Place::Given => {}
                Place::End => break,
                Place::Disk(after, bound) => match self.fetch(after, bound, room) {
                    Ok(entries) => {
                        let mut state = self.state.lock();
                        state.give_from_disk(output, (after, bound), entries, &mut room, &mut given);
                    }
                    // What was found is not lost by what was not.
                    Err(_) if !given.is_empty() => break,
                    Err(error) => return Err(Failure::retry(error)),
                },
            }
        }
        Ok(given)
    }

    fn fetch(&self, after: Mark, bound: Mark, bytes: usize) -> Result<Vec<Entry>, DiskError> {
        self.with_disk(|disk| disk.fetch(after.sequence, bound.sequence, bytes))
    }

    /// The number and the checksum of the first record from number `sequence` on.
    pub(crate) fn record_from(&self, sequence: u64) -> Result<Option<(u64, u32)>, Failure> {
        let (in_memory, is_all) = {
            let state = self.state.lock();
            let index = state.tail.partition_point(|entry| entry.end.sequence < sequence);
            let found = state
                .tail
                .get(index)
                .map(|entry| (entry.end.sequence, entry.checksum));
            (found, index > 0 || state.start.sequence >= state.head.sequence)
        };
        if is_all || self.config.path.is_none() {
            return Ok(in_memory);
        }
        let on_disk = self.with_disk(|disk| disk.headers(sequence.saturating_sub(1), u64::MAX, 1));
        let on_disk = on_disk.map_err(Failure::retry)?.pop();
        Ok(on_disk
            .map(|entry| (entry.end.sequence, entry.checksum))
            .or(in_memory))
    }

    /// Reads the file; if it makes no sense, the thread that writes sees to it.
    fn with_disk<T>(
        &self,
        read: impl FnOnce(&crate::disk::Disk) -> Result<T, DiskError>,
    ) -> Result<T, DiskError> {
        let result = match self.disk.lock().as_ref() {
            Some(disk) => read(disk),
            None => Err(DiskError::Refused(
                "the file of the spool is not open at the moment; see its status".to_owned(),
            )),
        };
        if let Err(error) = &result {
            let mut state = self.state.lock();
            let signals = &mut state.signals;
            signals.unreadable += u32::from(error.is_unreadable());
            // A bad place of the disk stays bad: the file is copied without it.
            if error.is_damage() || signals.unreadable >= UNREADABLE {
                signals.unreadable = 0;
                signals.suspect = true;
                signals.urgent = true;
                self.work.notify_one();
            }
        }
        result
    }

    /// The entries of a dictionary from number `from` on.
    pub(crate) fn definitions(&self, generation: u32, from: u32) -> Result<Vec<Definitions>, Failure> {
        let in_memory = self.state.lock().definitions.get(&generation).cloned();
        let all = match in_memory {
            Some(all) => all,
            None if self.config.path.is_none() => Vec::new(),
            None => self
                .with_disk(|disk| disk.definitions(generation))
                .map_err(Failure::retry)?,
        };
        let wanted = |one: &Definitions| one.first.saturating_add(one.count) > from;
        Ok(all.into_iter().filter(wanted).collect())
    }

    /// The output is done with everything up to `sequence`; says how many samples that is.
    pub(crate) fn acknowledge(&self, output: &str, sequence: u64, position: Option<Vec<u8>>) -> u64 {
        let (known, head) = {
            let state = self.state.lock();
            (state.last_end(output, sequence), state.head)
        };
        let end = match known {
            Some(known) if known.sequence >= sequence.min(head.sequence) => Some(known),
            // Something older than what is in memory was given in an earlier run.
            known => {
                let after = known.map_or(0, |mark| mark.sequence);
                let stored = self
                    .with_disk(|disk| disk.last_end(after, sequence))
                    .ok()
                    .flatten();
                stored.or(known)
            }
        };
        let mut state = self.state.lock();
        let Some(cursor) = state.cursors.get_mut(output) else {
            return 0;
        };
        if position.is_some() {
            cursor.position = position;
        }
        let samples = end.map_or(0, |end| cursor.acknowledge(end));
        state.note_cursor(output);
        state.move_start();
        self.wake_writer(&mut state);
        samples
    }

    /// An output that does not stand anywhere yet begins at the end.
    pub(crate) fn open_reader(&self, output: &str) {
        let mut state = self.state.lock();
        match state.cursors.get_mut(output) {
            Some(cursor) => cursor.opened = true,
            None => {
                let head = state.orphans.unwrap_or(state.head);
                state
                    .cursors
                    .insert(output.to_owned(), Cursor::at(head, None, true));
                state.note_cursor(output);
                state.move_start();
                self.wake_writer(&mut state);
            }
        }
    }

    pub(crate) fn forget(&self, output: &str) {
        let mut state = self.state.lock();
        state.cursors.remove(output);
        state.note_cursor(output);
        state.move_start();
        self.wake_writer(&mut state);
    }

    pub(crate) fn waiting(&self, output: &str) -> u64 {
        self.cursor(output, |cursor, head| {
            head.samples.saturating_sub(cursor.done.samples)
        })
    }

    pub(crate) fn position(&self, output: &str) -> Option<Vec<u8>> {
        self.cursor(output, |cursor, _| cursor.position.clone())
    }

    pub(crate) fn rewind(&self, output: &str) {
        if let Some(cursor) = self.state.lock().cursors.get_mut(output) {
            cursor.rewind();
        }
    }

    /// Whether nothing waits for anybody.
    pub(crate) fn is_drained(&self) -> bool {
        let state = self.state.lock();
        state.head.samples == state.start.samples
    }

    /// Everything up to here is gone.
    pub(crate) fn start(&self) -> u64 {
        self.state.lock().start.sequence
    }

    fn cursor<T: Default>(&self, output: &str, look: impl FnOnce(&Cursor, Mark) -> T) -> T {
        let state = self.state.lock();
        state
            .cursors
            .get(output)
            .map_or_else(T::default, |cursor| look(cursor, state.head))
    }
}

impl State {
    /// Gives what is in memory, or says where else it is.
    fn give_from_memory(&mut self, output: &str, room: &mut usize, given: &mut Vec<Next>) -> Place {
        let is_on_disk = self.is_on_disk();
        let Some(cursor) = self.cursors.get_mut(output) else {
            return Place::End;
        };
        let head = match is_on_disk {
            true => self.committed.min(self.head),
            false => self.head,
        };
        if cursor.next.sequence >= head.sequence {
            return Place::End;
        }
        let loss = self.losses.after(cursor.next.sequence);
        if let Some(loss) = loss.filter(|loss| loss.begin.sequence <= cursor.next.sequence) {
            let gap = loss.gap(cursor.next);
            cursor.give_gap(gap, loss.end);
            given.push(Next::Gap(gap));
            *room = room.saturating_sub(1);
            return Place::Given;
        }
        let bound = loss
            .map(|loss| loss.begin)
            .filter(|begin| begin.sequence < head.sequence);
        let bound = bound.unwrap_or(head);
        match self.tail.front().map(|first| first.begin()) {
            Some(tail) if tail.sequence <= cursor.next.sequence => {
                let first = self
                    .tail
                    .partition_point(|entry| entry.end.sequence <= cursor.next.sequence);
                let entries = self.tail.range(first..);
                for entry in entries.take_while(|entry| entry.end.sequence <= bound.sequence) {
                    cursor.give(entry.end, entry.generation);
                    given.push(Next::Entry(Arc::clone(entry)));
                    *room = room.saturating_sub(entry.payload.len());
                    if *room == 0 {
                        return Place::Given;
                    }
                }
                // After the last record, some numbers may have been left out.
                if cursor.next.sequence < bound.sequence {
                    self.cross_hole(output, bound);
                }
                Place::Given
            }
            Some(tail) if tail.sequence < bound.sequence => Place::Disk(cursor.next, tail),
            _ => Place::Disk(cursor.next, bound),
        }
    }

    /// Gives what was found in the file between two marks, unless something has changed meanwhile.
    fn give_from_disk(
        &mut self,
        output: &str,
        (after, bound): (Mark, Mark),
        entries: Vec<Entry>,
        room: &mut usize,
        given: &mut Vec<Next>,
    ) {
        let none = entries.is_empty();
        if self.cursors.get(output).is_none_or(|cursor| cursor.next != after) {
            return;
        }
        for entry in entries {
            let Some(cursor) = self.cursors.get_mut(output) else {
                return;
            };
            let next = cursor.next;
            // What was evicted while the file was read is lost all the same.
            let loss = self.losses.after(next.sequence);
            if loss.is_some_and(|loss| loss.begin.sequence < entry.end.sequence) {
                return;
            }
            if entry.begin().samples > next.samples {
                self.cross_hole(output, entry.begin());
                return;
            }
            *room = room.saturating_sub(entry.payload.len());
            cursor.give(entry.end, entry.generation);
            given.push(Next::Entry(Arc::new(entry)));
        }
        if none
            && self
                .losses
                .after(after.sequence)
                .is_none_or(|loss| loss.begin.sequence >= bound.sequence)
        {
            self.cross_hole(output, bound);
        }
    }

    /// Goes on after a range of numbers for which there is no record: some were left out, the others are damaged.
    fn cross_hole(&mut self, output: &str, end: Mark) {
        let Some(cursor) = self.cursors.get_mut(output) else {
            return;
        };
        let begin = cursor.next;
        if end.samples <= begin.samples {
            cursor.next = end;
            return;
        }
        let samples = end.samples - begin.samples;
        let (first, last) = (begin.sequence + 1, end.sequence);
        tracing::error!(
            first,
            last,
            samples,
            "records of the spool cannot be read any more: check the disk"
        );
        self.lose(Loss {
            begin,
            end,
            time: None,
            reason: GapReason::Damaged,
        });
    }

    /// The last end of something that is in memory and not after `sequence`.
    fn last_end(&self, output: &str, sequence: u64) -> Option<Mark> {
        let done = self.cursors.get(output).map(|cursor| cursor.done);
        if let Some(done) = done.filter(|done| done.sequence >= sequence) {
            return Some(done);
        }
        if sequence >= self.head.sequence {
            return Some(self.head);
        }
        let given = self
            .cursors
            .get(output)
            .and_then(|cursor| cursor.given_up_to(sequence));
        let in_tail = self.tail.partition_point(|entry| entry.end.sequence <= sequence);
        let in_tail = in_tail
            .checked_sub(1)
            .and_then(|index| self.tail.get(index))
            .map(|entry| entry.end);
        [done, given, in_tail, self.losses.last_end(sequence)]
            .into_iter()
            .flatten()
            .max()
    }
}
