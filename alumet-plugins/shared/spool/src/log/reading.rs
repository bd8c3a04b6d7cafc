//! What an output does with the log.

use std::sync::Arc;

use alumet_core::failure::Failure;
use alumet_core::spool::{Definitions, Gap, GapReason, Record, Spooled};
use alumet_core::time::Monotonic;
use alumet_shared_sqlite_file::DiskError;

use super::state::State;
use super::{Cursor, Log};
use crate::disk::Disk;
use crate::record::{Entry, Had, Loss, Mark};

/// How often the disk may refuse to read before the file is given up.
const UNREADABLE: u32 = 3;

/// What comes next for an output.
enum Next {
    /// Nothing more.
    End,
    /// A gap, which counts as given. One without samples is none: its numbers were left out.
    Gap(Gap),
    /// Records in memory between two marks: as many as there is room for; none if nothing is there but a hole.
    Memory((Mark, Mark), Vec<Arc<Entry>>),
    /// Records in the file, between two marks.
    Disk((Mark, Mark)),
}

impl Log {
    /// What comes after what was given before.
    pub(crate) fn read(&self, output: &str, bytes: usize) -> Result<Vec<Spooled>, Failure> {
        let mut given = Vec::new();
        let mut room = bytes.max(1);
        while room > 0 {
            let next = self.state.lock().next(output, room);
            let (range, entries) = match next {
                Next::End => break,
                Next::Gap(gap) if gap.samples == 0 => continue,
                Next::Gap(gap) => {
                    given.push(Spooled::Gap(gap));
                    room -= 1;
                    continue;
                }
                Next::Memory(range, entries) => (range, entries),
                Next::Disk(range) => {
                    let (after, bound) = (range.0.sequence, range.1.sequence);
                    match self.with_disk(|disk| disk.fetch(after, bound, room)) {
                        Ok(entries) => (range, entries.into_iter().map(Arc::new).collect()),
                        // What was found is not lost by what was not.
                        Err(_) if !given.is_empty() => break,
                        Err(error) => return Err(Failure::retry(error)),
                    }
                }
            };
            let now = self.clock.now().monotonic;
            let entries = self.state.lock().give(output, range, entries, now);
            if entries.is_empty() {
                // Some were lost, or are done.
                self.work.notify_one();
            }
            for entry in entries {
                room = room.saturating_sub(entry.payload.len());
                given.push(Spooled::Record(entry.record()));
            }
        }
        Ok(given)
    }

    /// The first records after number `sequence`, about `bytes` of them.
    pub(crate) fn records_after(&self, sequence: u64, bytes: usize) -> Result<Vec<Record>, Failure> {
        let tail = {
            let state = self.state.lock();
            let begin = state.tail.front().map_or(state.head, |oldest| oldest.begin());
            begin.sequence
        };
        if sequence < tail && self.config.path.is_some() {
            let on_disk = self.with_disk(|disk| disk.fetch(sequence, tail, bytes));
            let on_disk = on_disk.map_err(Failure::retry)?;
            if !on_disk.is_empty() {
                return Ok(on_disk.iter().map(Entry::record).collect());
            }
        }
        let state = self.state.lock();
        let mut room = bytes.max(1);
        let fitting = state.tail_after(sequence).take_while(|entry| {
            let fits = room > 0;
            room = room.saturating_sub(entry.payload.len());
            fits
        });
        Ok(fitting.map(|entry| entry.record()).collect())
    }

    /// Reads the file; if it makes no sense, the thread that writes sees to it.
    fn with_disk<T>(&self, read: impl FnOnce(&Disk) -> Result<T, DiskError>) -> Result<T, DiskError> {
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
        self.change(output, |state| {
            let Some(cursor) = state.cursors.get_mut(output) else {
                return 0;
            };
            if position.is_some() {
                cursor.position = position;
            }
            end.map_or(0, |end| cursor.acknowledge(end))
        })
    }

    /// Changes where an output stands.
    pub(crate) fn change<T>(&self, output: &str, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock();
        let result = change(&mut state);
        state.moved(output);
        self.wake_writer(&mut state);
        result
    }
}

impl State {
    /// An output that does not stand anywhere yet begins at the end. One that follows another of its name is given again
    /// what that one was given and is not done with.
    pub(crate) fn open_cursor(&mut self, output: &str) {
        let end = self.orphans.unwrap_or(self.head);
        let new = || Cursor::at(end, None, true);
        let cursor = self.cursors.entry(output.to_owned()).or_insert_with(new);
        cursor.opened = true;
        self.go_back(output);
    }

    /// An output stands somewhere else, or does not follow any more.
    fn moved(&mut self, output: &str) {
        self.unwritten.cursors.insert(output.to_owned());
        self.changes += 1;
        self.move_start();
    }

    /// What comes next for an output, and `room` bytes of it if it is in memory.
    fn next(&mut self, output: &str, mut room: usize) -> Next {
        let head = match self.is_on_disk() {
            true => self.committed.min(self.head),
            false => self.head,
        };
        let cursor = self.cursors.get_mut(output);
        let Some(cursor) = cursor.filter(|cursor| cursor.next.sequence < head.sequence) else {
            return Next::End;
        };
        let after = cursor.next;
        let loss = self.losses.after(after.sequence);
        if let Some(loss) = loss.filter(|loss| loss.begin.sequence <= after.sequence) {
            // What counts within another identity is another gap.
            let end = self.numberings.begin_after(after.sequence);
            let part = Loss {
                end: end.map_or(loss.end, |end| end.min(loss.end)),
                ..*loss
            };
            let gap = part.gap(after);
            match gap.samples {
                0 => cursor.next = part.end,
                _ => cursor.give_gap(gap, part.end),
            }
            return Next::Gap(gap);
        }
        let bound = loss.map_or(head, |loss| head.min(loss.begin));
        let tail = self.tail.front().map_or(bound, |first| first.begin());
        if tail.sequence > after.sequence {
            return Next::Disk((after, bound.min(tail)));
        }
        let entries = self.tail_after(after.sequence).take_while(|entry| {
            let fits = room > 0 && entry.end.sequence <= bound.sequence;
            room = room.saturating_sub(entry.payload.len());
            fits
        });
        Next::Memory((after, bound), entries.cloned().collect())
    }

    /// Gives what was found between two marks, and tells what of it is given: less if something has changed meanwhile.
    fn give(
        &mut self,
        output: &str,
        (after, bound): (Mark, Mark),
        entries: Vec<Arc<Entry>>,
        now: Monotonic,
    ) -> Vec<Arc<Entry>> {
        let mut given = Vec::new();
        let cursor = self.cursors.get_mut(output);
        let Some(cursor) = cursor.filter(|cursor| cursor.next == after) else {
            return given;
        };
        // What was evicted while the file was read is lost all the same.
        let loss = self.losses.after(after.sequence);
        let end = loss.map_or(bound, |loss| bound.min(loss.begin));
        let mut hole = entries.is_empty().then_some(end);
        let done = cursor.done;
        let is_passed = |had: &Had, number| had.again == Some(number) && had.output == output;
        for entry in entries {
            if entry.end.sequence > end.sequence {
                break;
            }
            if entry.begin().samples > cursor.next.samples {
                hole = Some(entry.begin());
                break;
            }
            if self.had.iter().any(|had| is_passed(had, entry.end.sequence)) {
                cursor.pass(entry.end);
                continue;
            }
            cursor.give(entry.end, Some(entry.generation));
            given.push(entry);
        }
        if cursor.done > done {
            self.moved(output);
        }
        if let Some(hole) = hole {
            self.cross_hole(output, hole, now);
        }
        given
    }

    /// Goes on after a range of numbers for which there is no record: some were left out, the others are damaged.
    fn cross_hole(&mut self, output: &str, end: Mark, now: Monotonic) {
        let Some(cursor) = self.cursors.get_mut(output) else {
            return;
        };
        let begin = cursor.next;
        if end.samples <= begin.samples {
            cursor.next = begin.max(end);
            return;
        }
        let samples = end.samples - begin.samples;
        let (first, last) = (begin.sequence + 1, end.sequence);
        let what = "records of the spool cannot be read any more: check the disk";
        tracing::error!(first, last, samples, "{what}");
        self.lost = Some((now, format!("{what} ({samples} samples, {first} to {last})")));
        self.lose(Loss {
            begin,
            end,
            time: None,
            reason: GapReason::Damaged,
        });
    }

    /// The last end of something that is in memory and not after `sequence`.
    fn last_end(&self, output: &str, sequence: u64) -> Option<Mark> {
        let cursor = self.cursors.get(output);
        let done = cursor.map(|cursor| cursor.done);
        if let Some(done) = done.filter(|done| done.sequence >= sequence) {
            return Some(done);
        }
        if sequence >= self.head.sequence {
            return Some(self.head);
        }
        let given = cursor.and_then(|cursor| cursor.given_up_to(sequence));
        let in_tail = self.tail.partition_point(|entry| entry.end.sequence <= sequence);
        let in_tail = self.tail.range(..in_tail).next_back().map(|entry| entry.end);
        [done, given, in_tail, self.losses.last_end(sequence)]
            .into_iter()
            .flatten()
            .max()
    }
}
