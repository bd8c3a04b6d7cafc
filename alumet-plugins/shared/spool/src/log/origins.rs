//! What came from which sender, and how much of it is safe.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use alumet_core::spool::{InstanceId, Origin};
use alumet_core::time::Timestamp;
use tokio::sync::watch;

use crate::record::Watermark;

/// What came from which sender, and how much of it is safe.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    /// What is safe.
    safe: HashMap<InstanceId, Watermark>,
    /// What was appended and is not safe yet, in its order.
    pending: VecDeque<Pending>,
    /// Safe, but not in the present file.
    unwritten: BTreeSet<InstanceId>,
    waiting: HashMap<InstanceId, watch::Sender<u64>>,
    /// How long `pending` was when only the newest of each sender had been kept.
    thinned: usize,
}

#[derive(Debug)]
struct Pending {
    /// The number of the record here; of a batch without samples that of the last one before it.
    record: u64,
    /// The number of the change that it was, because others may come with the same record after a transaction has begun.
    change: u64,
    sender: InstanceId,
    mark: Watermark,
}

impl Origins {
    /// More senders than this are not remembered: those not heard of for longest are forgotten.
    const MAX_SENDERS: usize = 65_536;

    /// Notes that the record with that number has this origin.
    pub(crate) fn append(&mut self, record: u64, change: u64, origin: Origin, seen: Timestamp) {
        let mark = Watermark {
            sequence: origin.sequence,
            checksum: origin.checksum,
            seen,
        };
        self.pending.push_back(Pending {
            record,
            change,
            sender: origin.instance,
            mark,
        });
        if self.pending.len() > Self::MAX_SENDERS.max(2 * self.thinned) {
            self.thin_out();
        }
    }

    /// Keeps only the newest of each sender: the others become safe a little later than they could.
    fn thin_out(&mut self) {
        let mut seen = HashSet::new();
        let newest = self.pending.drain(..).rev().filter(|one| seen.insert(one.sender));
        self.pending = newest.collect::<Vec<_>>().into_iter().rev().collect();
        self.thinned = self.pending.len();
    }

    /// What the next transaction has to write.
    pub(crate) fn to_write(&self) -> Vec<(InstanceId, Watermark)> {
        let unwritten = self.unwritten.iter();
        let mut marks: HashMap<_, _> = unwritten.filter_map(|id| self.safe.get_key_value(id)).collect();
        for Pending { sender: id, mark, .. } in &self.pending {
            let known = marks.get(id).copied().or_else(|| self.safe.get(id));
            if known.is_none_or(|known| known.sequence <= mark.sequence) {
                marks.insert(id, mark);
            }
        }
        marks.into_iter().map(|(id, mark)| (*id, *mark)).collect()
    }

    /// Everything up to that change is on disk.
    pub(crate) fn settle(&mut self, change: u64) {
        self.unwritten.clear();
        self.settle_while(|one| one.change <= change);
    }

    /// Without a disk: every output is done with everything up to that record.
    pub(crate) fn settle_done(&mut self, record: u64) {
        self.settle_while(|one| one.record <= record);
    }

    fn settle_while(&mut self, is_safe: impl Fn(&Pending) -> bool) {
        while self.pending.front().is_some_and(&is_safe)
            && let Some(one) = self.pending.pop_front()
        {
            self.note(one.sender, one.mark);
        }
        if self.safe.len() > Self::MAX_SENDERS {
            self.forget_oldest();
        }
    }

    /// Takes what is on disk.
    pub(crate) fn merge(&mut self, stored: impl IntoIterator<Item = (InstanceId, Watermark)>) {
        for (id, mark) in stored {
            self.note(id, mark);
        }
    }

    /// Everything has to be written again, because there is another file.
    pub(crate) fn write_all(&mut self) {
        self.unwritten.extend(self.safe.keys());
    }

    fn note(&mut self, id: InstanceId, mark: Watermark) {
        if let Some(safe) = self.safe.get(&id)
            && safe.sequence > mark.sequence
        {
            return;
        }
        self.safe.insert(id, mark);
        if let Some(sender) = self.waiting.get(&id) {
            if sender.receiver_count() == 0 {
                self.waiting.remove(&id);
            } else {
                sender.send_replace(mark.sequence);
            }
        }
    }

    fn forget_oldest(&mut self) {
        let mut seen: Vec<_> = self.safe.iter().map(|(id, mark)| (mark.seen, *id)).collect();
        seen.sort_unstable();
        for (_, id) in seen.into_iter().take(self.safe.len() - Self::MAX_SENDERS / 2) {
            self.safe.remove(&id);
            self.unwritten.remove(&id);
        }
    }

    /// Tells whoever follows a sender that something of it is safe which is not the highest.
    pub(crate) fn tell(&self, id: InstanceId) {
        if let Some(sender) = self.waiting.get(&id) {
            sender.send_modify(|_| ());
        }
    }

    /// Nobody follows any more.
    pub(crate) fn end_waiting(&mut self) {
        self.waiting.clear();
    }

    /// The highest number that is safe.
    pub(crate) fn committed(&self, id: InstanceId) -> Option<Watermark> {
        self.safe.get(&id).copied()
    }

    /// Follows the highest number that is safe; 0 for a sender that is not known.
    pub(crate) fn watch(&mut self, id: InstanceId) -> watch::Receiver<u64> {
        self.waiting.retain(|_, sender| sender.receiver_count() > 0);
        let now = self.safe.get(&id).map_or(0, |mark| mark.sequence);
        self.waiting
            .entry(id)
            .or_insert_with(|| watch::Sender::new(now))
            .subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(sender: u8, sequence: u64) -> Origin {
        Origin {
            instance: InstanceId([sender; 16]),
            sequence,
            checksum: sequence as u32,
        }
    }

    #[test]
    fn a_number_is_safe_once_its_record_is_and_whoever_waits_is_told() {
        let mut origins = Origins::default();
        let id = InstanceId([1; 16]);
        let mut waiting = origins.watch(id);
        origins.append(1, 1, origin(1, 7), Timestamp::default());
        origins.append(2, 2, origin(1, 8), Timestamp::default());
        assert_eq!(origins.to_write().len(), 1);
        assert_eq!(origins.to_write()[0].1.sequence, 8);
        origins.settle(1);
        assert_eq!(origins.committed(id).map(|mark| mark.sequence), Some(7));
        assert!(waiting.has_changed().unwrap());
        assert_eq!(*waiting.borrow_and_update(), 7);
        origins.settle(2);
        assert_eq!(*waiting.borrow_and_update(), 8);
        assert!(origins.to_write().is_empty());
    }

    #[test]
    fn a_watcher_that_left_is_forgotten() {
        let mut origins = Origins::default();
        for sender in 0..100 {
            drop(origins.watch(InstanceId([sender; 16])));
        }
        assert!(origins.waiting.len() <= 1);
    }

    #[test]
    fn a_late_repetition_does_not_lower_the_mark() {
        let mut origins = Origins::default();
        origins.append(1, 1, origin(1, 8), Timestamp::default());
        origins.append(2, 2, origin(1, 3), Timestamp::default());
        origins.settle(2);
        assert_eq!(
            origins.committed(InstanceId([1; 16])).map(|mark| mark.sequence),
            Some(8)
        );
    }

    #[test]
    fn what_is_safe_is_written_again_into_another_file() {
        let mut origins = Origins::default();
        origins.append(1, 1, origin(1, 8), Timestamp::default());
        origins.settle(1);
        assert!(origins.to_write().is_empty());
        origins.write_all();
        assert_eq!(origins.to_write().len(), 1);
        origins.settle(1);
        assert!(origins.to_write().is_empty());
    }

    #[test]
    fn the_number_of_senders_is_bounded() {
        let mut origins = Origins::default();
        for sender in 0..Origins::MAX_SENDERS as u64 + 1 {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&sender.to_le_bytes());
            let instance = InstanceId(bytes);
            let origin = Origin {
                instance,
                ..origin(0, 1)
            };
            origins.append(sender, sender, origin, Timestamp::from_nanos(sender as i64));
        }
        origins.settle(u64::MAX);
        assert_eq!(origins.safe.len(), Origins::MAX_SENDERS / 2);
        assert!(origins.committed(InstanceId([0; 16])).is_none());
    }
}
