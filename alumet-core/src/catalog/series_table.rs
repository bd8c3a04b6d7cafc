use std::collections::{BTreeSet, VecDeque};
use std::hash::BuildHasher;
use std::sync::{Arc, Weak};

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::series::{Registration, SeriesId, SeriesInfo, SeriesKey};

/// Held by a batch: as long as it exists, no slot is reused that the batch may name.
pub(crate) type EpochPin = Arc<()>;

/// All series, in slots that are reused.
///
/// A retired series belongs to the epoch in which it retired. A batch pins the epoch in which it was made, and can name
/// only series that were live then or later. So the slots of an epoch are free once neither that epoch nor an
/// older one is pinned.
#[derive(Default)]
pub(super) struct SeriesTable {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Live series by key.
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// The series whose slots have become free, while somebody wants to know.
    gone: Option<Vec<SeriesId>>,
    present: Epoch,
    /// The epochs before, oldest first.
    past: VecDeque<Epoch>,
}

struct Slot {
    generation: u32,
    info: Option<Arc<SeriesInfo>>,
    registration: Weak<Registration>,
}

#[derive(Default)]
struct Epoch {
    pin: EpochPin,
    retired: Vec<u32>,
}

impl SeriesTable {
    pub(super) fn register(
        &mut self,
        info: SeriesInfo,
        make: impl FnOnce(SeriesId) -> Arc<Registration>,
    ) -> Arc<Registration> {
        if let Some(slot) = self.find(&info.key) {
            if let Some(registration) = self.slots[slot as usize].registration.upgrade() {
                return registration;
            }
            // Its last handle is being dropped in another thread, which waits for the lock to retire it.
            self.unindex(slot);
        }
        let value_type = info.metric.value_type;
        if self.free.is_empty() {
            self.reclaim();
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                info: None,
                registration: Weak::new(),
            });
            // 2^32 live series of 150 bytes and more do not fit into a machine.
            (self.slots.len() - 1) as u32
        });
        let entry = &mut self.slots[slot as usize];
        let registration = make(SeriesId::new(slot, entry.generation, value_type));
        entry.registration = Arc::downgrade(&registration);
        let hash = self.hasher.hash_one(&info.key);
        entry.info = Some(Arc::new(info));
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.index
            .insert_unique(hash, slot, |&slot| hash_of(slots, hasher, slot));
        registration
    }

    /// Ends the life of a series whose last handle was dropped.
    pub(super) fn retire(&mut self, id: SeriesId) {
        let slot = id.slot() as u32;
        self.unindex(slot);
        self.present.retired.push(slot);
    }

    /// Pins the present, so that a batch may name all series that are live from now on.
    pub(super) fn pin(&mut self) -> EpochPin {
        self.reclaim();
        Arc::clone(&self.present.pin)
    }

    pub(super) fn describe(&self, id: SeriesId) -> Option<Arc<SeriesInfo>> {
        let slot = self.slots.get(id.slot())?;
        (slot.generation == id.generation()).then(|| slot.info.clone())?
    }

    pub(super) fn is_live(&self, id: SeriesId) -> bool {
        self.slots
            .get(id.slot())
            .is_some_and(|slot| slot.generation == id.generation() && slot.registration.strong_count() > 0)
    }

    pub(super) fn note_gone(&mut self, wanted: bool) {
        if wanted != self.gone.is_some() {
            self.gone = wanted.then(Vec::new);
        }
    }

    pub(super) fn take_gone(&mut self) -> Vec<SeriesId> {
        self.reclaim();
        self.gone.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn live(&self) -> usize {
        self.index.len()
    }

    /// The keys of the attributes of live series.
    pub(super) fn attributes(&self) -> BTreeSet<Box<str>> {
        let mut keys = BTreeSet::new();
        let live = self
            .slots
            .iter()
            .filter(|slot| slot.registration.strong_count() > 0);
        for info in live.filter_map(|slot| slot.info.as_ref()) {
            for (key, _) in info.attributes().iter() {
                if !keys.contains(&**key) {
                    keys.insert((**key).into());
                }
            }
        }
        keys
    }

    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Frees the slots that nobody can name, and starts a new epoch if there are others that retired in the present one.
    fn reclaim(&mut self) {
        // Only the table itself holds the pin, and only the present epoch is ever pinned anew.
        let is_free = |epoch: &Epoch| Arc::strong_count(&epoch.pin) == 1;
        while self.past.front().is_some_and(is_free)
            && let Some(mut oldest) = self.past.pop_front()
        {
            self.release(&mut oldest.retired);
        }
        if self.present.retired.is_empty() {
            return;
        }
        if self.past.is_empty() && is_free(&self.present) {
            let mut retired = std::mem::take(&mut self.present.retired);
            self.release(&mut retired);
            // Its memory serves the next ones.
            self.present.retired = retired;
        } else {
            self.past.push_back(std::mem::take(&mut self.present));
        }
    }

    fn release(&mut self, retired: &mut Vec<u32>) {
        for slot in retired.drain(..) {
            let entry = &mut self.slots[slot as usize];
            if let (Some(gone), Some(info)) = (&mut self.gone, &entry.info) {
                gone.push(SeriesId::new(slot, entry.generation, info.metric.value_type));
            }
            entry.info = None;
            entry.generation = (entry.generation + 1) & (u32::MAX >> 2);
            self.free.push(slot);
        }
    }

    fn find(&self, key: &SeriesKey) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        let same = |&slot: &u32| {
            self.slots[slot as usize]
                .info
                .as_ref()
                .is_some_and(|info| info.key == *key)
        };
        self.index.find(hash, same).copied()
    }

    fn unindex(&mut self, slot: u32) {
        let hash = hash_of(&self.slots, &self.hasher, slot);
        if let Ok(entry) = self.index.find_entry(hash, |&candidate| candidate == slot) {
            entry.remove();
        }
    }
}

fn hash_of(slots: &[Slot], hasher: &DefaultHashBuilder, slot: u32) -> u64 {
    match &slots[slot as usize].info {
        Some(info) => hasher.hash_one(&info.key),
        None => 0,
    }
}
