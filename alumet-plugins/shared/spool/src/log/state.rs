//! All that is in memory: what waits, who has read what, and what the next transaction must write.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use alumet_core::failure::Failure;
use alumet_core::spool::{Definitions, GapReason, InstanceId, Origin};
use alumet_core::time::{Monotonic, Timestamp};
use alumet_shared_batch_encoding::Encoded;

use super::cursor::Cursor;
use super::keeping::Keeping;
use super::origins::Origins;
use super::wanted::Wanting;
use crate::record::{Entry, Had, Loss, Losses, Mark, Numberings, Unwritten, footprint};

/// All that is in memory.
pub(crate) struct State {
    pub(crate) numberings: Numberings,
    /// The end of the last record.
    pub(crate) head: Mark,
    /// No output needs anything up to here: every one is done with it, or it was evicted.
    pub(crate) start: Mark,
    /// What stays of that.
    pub(crate) keeping: Keeping,
    /// Everything up to here that is not gone is on disk.
    pub(crate) committed: Mark,
    /// The newest records without a hole: all that are not on disk yet, and more while there is room.
    pub(crate) tail: VecDeque<Arc<Entry>>,
    pub(crate) tail_bytes: usize,
    pub(crate) memory_bytes: usize,
    pub(crate) losses: Losses,
    pub(crate) cursors: BTreeMap<String, Cursor>,
    pub(crate) origins: Origins,
    pub(crate) wanted: Wanting,
    /// What outputs have of what is wanted, or has come again.
    pub(crate) had: Vec<Had>,
    /// The dictionary of the records in the tail and of those to come.
    pub(crate) definitions: BTreeMap<u32, Vec<Definitions>>,
    /// The dictionary of the newest records.
    pub(crate) generation: u32,
    /// The first record after [`State::start`] when it was last looked for.
    pub(crate) oldest: Option<Arc<Entry>>,
    /// Records from here on whose outputs are not known, because the file was damaged.
    pub(crate) orphans: Option<Mark>,
    pub(crate) unwritten: Unwritten,
    /// Counts everything that must be written one day.
    pub(crate) changes: u64,
    /// The count at the last transaction.
    pub(crate) committed_changes: u64,
    /// Whether there is a file of an earlier run that could not be read yet, so that it is not known what it says. Until then
    /// no output takes anything.
    pub(crate) is_unknown: bool,
    /// Whether there shall be a file.
    pub(crate) has_path: bool,
    /// Why it works in memory only at the moment.
    pub(crate) fault: Option<String>,
    /// When it was noticed last that something is lost which was committed, and what.
    pub(crate) lost: Option<(Monotonic, String)>,
    pub(crate) signals: Signals,
    /// Whether an eviction was logged since the spool was last empty.
    pub(crate) full_was_said: bool,
}

/// What other threads tell the one that writes.
#[derive(Default)]
pub(crate) struct Signals {
    /// Somebody waits until as many changes are committed.
    pub(crate) awaited: u64,
    /// What was read from the file made no sense.
    pub(crate) suspect: bool,
    /// How often the disk has refused to read.
    pub(crate) unreadable: u32,
    /// The spool is closed.
    pub(crate) stop: bool,
    /// The thread has ended.
    pub(crate) stopped: bool,
}

impl State {
    pub(crate) fn new(instance: InstanceId, memory_bytes: usize, has_path: bool) -> Self {
        Self {
            numberings: Numberings::of(instance, Mark::default()),
            head: Mark::default(),
            start: Mark::default(),
            keeping: Keeping::default(),
            committed: Mark::default(),
            tail: VecDeque::new(),
            tail_bytes: 0,
            memory_bytes,
            losses: Losses::default(),
            cursors: BTreeMap::new(),
            origins: Origins::default(),
            wanted: Wanting::default(),
            had: Vec::new(),
            definitions: BTreeMap::new(),
            generation: 0,
            oldest: None,
            orphans: None,
            unwritten: Unwritten::default(),
            changes: 0,
            committed_changes: 0,
            is_unknown: false,
            has_path,
            fault: None,
            lost: None,
            signals: Signals::default(),
            full_was_said: false,
        }
    }

    /// Appends a record.
    pub(crate) fn append(&mut self, encoded: Encoded, origin: Option<Origin>, now: Timestamp) {
        let bytes = footprint(encoded.payload.len());
        let end = Mark {
            sequence: self.head.sequence + 1,
            records: self.head.records + 1,
            samples: self.head.samples + u64::from(encoded.samples),
            bytes: self.head.bytes + bytes,
        };
        self.head = end;
        let entry = Entry {
            end,
            generation: encoded.generation,
            samples: encoded.samples,
            bytes,
            checksum: encoded.checksum,
            time: encoded.time,
            appended: now,
            origin,
            payload: encoded.payload,
        };
        self.tail_bytes += entry.memory();
        self.tail.push_back(Arc::new(entry));
        self.changes += 1;
        self.fit_memory();
    }

    /// Numbers a record that nobody wants.
    pub(crate) fn skip(&mut self, samples: u32) {
        self.head.sequence += 1;
        self.head.records += 1;
        self.head.samples += u64::from(samples);
        self.move_start();
    }

    /// Takes entries of a dictionary.
    pub(crate) fn define(&mut self, definitions: Definitions) {
        self.generation = self.generation.max(definitions.generation);
        self.unwritten.definitions.push(definitions.clone());
        self.definitions
            .entry(definitions.generation)
            .or_default()
            .push(definitions);
        self.changes += 1;
    }

    /// Notes where the newest record comes from, or a batch without one.
    pub(crate) fn note_origin(&mut self, origin: Origin, has_record: bool, now: Timestamp) {
        self.changes += 1;
        self.origins.append(self.head.sequence, self.changes, origin, now);
        if self.wanted.has(origin.instance, origin.sequence) {
            self.come_again(origin, has_record.then_some(self.head.sequence));
            // Its sender waits for it before it sends the next one.
            self.signals.awaited = self.changes;
        }
        if !self.has_path {
            self.settle_origins();
        }
    }

    /// What is in memory after that number.
    pub(crate) fn tail_after(&self, sequence: u64) -> impl Iterator<Item = &Arc<Entry>> {
        let first = self.tail.partition_point(|entry| entry.end.sequence <= sequence);
        self.tail.range(first..)
    }

    /// Whether every output is done with everything.
    pub(crate) const fn nothing_waits(&self) -> bool {
        self.start.samples == self.head.samples
    }

    pub(crate) const fn is_on_disk(&self) -> bool {
        self.has_path && self.fault.is_none()
    }

    /// Without a disk, a record is safe once every output is done with it.
    pub(crate) fn settle_origins(&mut self) {
        self.origins.settle_done(self.start.sequence);
    }

    /// Drops the oldest from memory until the rest fits; what is not on disk is lost by that.
    fn fit_memory(&mut self) {
        while self.tail.len() > 1
            && self.tail_bytes > self.room()
            && let Some(oldest) = self.pop_tail()
        {
            if oldest.end.sequence > self.committed.sequence && oldest.end.sequence > self.start.sequence {
                self.lose(Loss {
                    begin: oldest.begin(),
                    end: oldest.end,
                    time: oldest.time,
                    reason: GapReason::Full,
                });
            }
        }
    }

    /// How much may be in memory: what can be read from the disk need not be there as well.
    fn room(&self) -> usize {
        let oldest = self.tail.front();
        match oldest.is_some_and(|oldest| oldest.end.sequence <= self.committed.sequence) {
            true if self.fault.is_none() => self.memory_bytes / 4,
            _ => self.memory_bytes,
        }
    }

    fn pop_tail(&mut self) -> Option<Arc<Entry>> {
        let entry = self.tail.pop_front()?;
        self.tail_bytes = self.tail_bytes.saturating_sub(entry.memory());
        Some(entry)
    }

    /// Notes that records are gone before every output had them.
    pub(crate) fn lose(&mut self, loss: Loss) {
        if loss.begin.sequence <= self.start.sequence {
            self.start = self.start.max(loss.end);
            self.keeping.let_go(self.start);
            self.unwritten.start = true;
        } else {
            let (first, last) = (loss.begin.sequence + 1, loss.end.sequence);
            match self.unwritten.doomed.last_mut() {
                Some(range) if range.1 + 1 == first => range.1 = last,
                _ => self.unwritten.doomed.push((first, last)),
            }
        }
        if loss.reason == GapReason::Damaged {
            self.want(&loss);
        }
        self.losses.insert(loss);
        self.unwritten.losses = true;
        self.changes += 1;
        self.trim_tail();
        if loss.reason != GapReason::Damaged && !std::mem::replace(&mut self.full_was_said, true) {
            tracing::warn!(
                reason = loss.reason.name(),
                "the spool drops the oldest samples, which no output has written; let the outputs catch up, or raise \
                 its limits"
            );
        }
    }

    /// Lets go of what every output is done with.
    pub(crate) fn move_start(&mut self) {
        let done = self.cursors.values().map(|cursor| cursor.done);
        let slowest = done.chain(self.orphans).min();
        let slowest = slowest.unwrap_or(self.head);
        self.start = self.start.max(slowest);
        if self.losses.forget(slowest.sequence) {
            self.unwritten.losses = true;
        }
        self.forget_had();
        self.trim_tail();
        if self.nothing_waits() {
            self.full_was_said = false;
        }
        if !self.has_path {
            self.settle_origins();
        }
    }

    /// Lets go of records on disk that have stayed long enough. `all_are_here` says that no output comes any more: one that
    /// followed in the last run, and has not shown up in this, may want them kept.
    pub(crate) fn let_go(&mut self, max_bytes: u64, now: Monotonic, all_are_here: bool) {
        if !all_are_here && self.cursors.values().any(|cursor| !cursor.opened) {
            return;
        }
        let before = self.keeping.gone;
        match self.cursors.is_empty() {
            true => self.keeping.let_go(self.start),
            false => self.keeping.advance(self.start, self.head, max_bytes, now),
        }
        self.unwritten.start |= self.keeping.gone > before;
        // What is lost is a gap within its identity.
        let told = self.cursors.values().map(|cursor| cursor.done.sequence).min();
        let gone = self.keeping.gone.sequence;
        self.unwritten.numberings |= self.numberings.forget(told.map_or(gone, |told| told.min(gone)));
    }

    fn trim_tail(&mut self) {
        while let Some(oldest) = self.tail.front()
            && oldest.end.sequence <= self.start.sequence
        {
            self.pop_tail();
        }
        let needed = self
            .tail
            .front()
            .map_or(self.generation, |entry| entry.generation);
        let needed = needed.min(self.oldest_generation());
        if let Some(oldest) = self.definitions.keys().next()
            && *oldest < needed
        {
            self.definitions = self.definitions.split_off(&needed);
            // A record on disk has its definitions there.
            self.unwritten.definitions.retain(|one| one.generation >= needed);
        }
    }

    /// The oldest dictionary that is in use, either for new records or by an output that was given a record. The
    /// records that wait may need older ones.
    pub(crate) fn oldest_generation(&self) -> u32 {
        let given = self.cursors.values().filter_map(Cursor::oldest_generation);
        given.chain([self.generation]).min().unwrap_or(self.generation)
    }

    /// Everything has to be written again, because there is another file.
    pub(crate) fn write_all(&mut self) {
        let before_tail = self.tail.front().map_or(self.head, |entry| entry.begin());
        self.committed = self.committed.min(before_tail);
        self.unwritten.cursors.extend(self.cursors.keys().cloned());
        let known = self.definitions.values().flatten().cloned();
        let known: Vec<_> = known
            .filter(|one| !self.unwritten.definitions.contains(one))
            .collect();
        self.unwritten.definitions.extend(known);
        self.unwritten.losses = true;
        self.unwritten.numberings = true;
        self.unwritten.start = true;
        let lost = self.losses.all().iter();
        self.unwritten.doomed = lost
            .map(|loss| (loss.begin.sequence + 1, loss.end.sequence))
            .collect();
        self.origins.write_all();
        self.unwritten.wanted = self.wanted.all().collect();
        self.unwritten.had.clone_from(&self.had);
        self.changes += 1;
    }

    /// The file of an earlier run cannot be read. Numbers begin later than any that it may have.
    pub(crate) fn begin_unknown(&mut self, now: Timestamp) {
        self.is_unknown = true;
        self.head.sequence = (now.as_nanos() / 1000).unsigned_abs();
        (self.start, self.committed) = (self.head, self.head);
        self.numberings = Numberings::of(self.numberings.newest(), self.head);
    }

    /// What is not known, as an error.
    pub(crate) fn known(&self) -> Result<(), Failure> {
        let fault = self.fault.as_deref().filter(|_| self.is_unknown);
        fault.map_or(Ok(()), |fault| {
            Err(Failure::retry(format!(
                "the spool of the last run cannot be read: {fault}"
            )))
        })
    }

    /// How many samples are not on disk.
    pub(crate) fn uncommitted_samples(&self) -> u64 {
        let safe = self.committed.samples.max(self.start.samples);
        self.head.samples.saturating_sub(safe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_disk_leaves_room_in_memory_unless_the_disk_fails() {
        let record = || Encoded {
            definitions: None,
            generation: 1,
            samples: 1,
            payload: vec![0; 1000].into(),
            checksum: 0,
            time: None,
        };
        for (on_disk, fault, kept) in [
            (100, None, 4000),
            (100, Some("full".to_owned()), 16_000),
            (0, None, 16_000),
        ] {
            let mut state = State::new(InstanceId([1; 16]), 16_000, true);
            state.open_cursor("away");
            state.fault = fault;
            for number in 1..=100 {
                state.append(record(), None, Timestamp::default());
                state.committed.sequence = number.min(on_disk);
            }
            let range = kept - 1500..=kept + 1500;
            assert!(
                range.contains(&state.tail_bytes),
                "{on_disk}: {}",
                state.tail_bytes
            );
            assert_eq!(
                state.losses.all().is_empty(),
                on_disk > 0,
                "nothing of it is lost"
            );
        }
    }
}
