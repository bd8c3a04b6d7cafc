//! Which messages of the stream are stored here.
//!
//! The spool notes with each batch which one of which sender it was, but only the highest number of each, and messages come again
//! in any order. So the messages of a stream are those of many senders here: a message is of the *slot* that its number in the
//! stream has modulo [`SLOTS`], and the mark of a slot is the last message of it that was stored. A mark is replaced only when its
//! message is acknowledged, so that a message which may still come again is known by its mark. One that comes after a later one of
//! its slot was never stored: somebody else had it. It is a sender of its own.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use alumet_core::spool::{InstanceId, Origin, Spool};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::floor::Floor;

/// How many senders a stream is here. A spool knows four times as many, those of the relay included.
const SLOTS: u64 = 16_384;

/// How long the answer of a spool that cannot be read is waited for.
const AGAIN: Duration = Duration::from_secs(1);

/// Which messages of one stream are stored.
pub(crate) struct Marks {
    spool: Arc<dyn Spool>,
    /// What tells the stream from others.
    stream: [u8; 32],
    /// The message of each slot that is on its way to the disk.
    under_way: Mutex<HashMap<u64, Origin>>,
    is_free: Notify,
    /// The last message of each slot of which the server has confirmed the acknowledgement.
    confirmed: Vec<AtomicU64>,
}

/// What is known of a message that was delivered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It is stored.
    Stored,
    /// It is on its way to the disk under this origin, and was delivered again meanwhile.
    UnderWay(Origin),
    /// It is new: whoever is told this hands it on under this origin, and calls [`Marks::leave`] at the end.
    New(Origin),
}

impl Marks {
    /// Those of a stream; `identity` tells it from others, and from one of the same name that is gone.
    pub(crate) fn new(spool: Arc<dyn Spool>, identity: &str) -> Self {
        Self {
            spool,
            stream: Sha256::digest(identity.as_bytes()).into(),
            under_way: Mutex::default(),
            is_free: Notify::new(),
            confirmed: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// What is known of a message; waits while another one of its slot is on its way, or may come again. `patience` is how long
    /// the latter takes at most.
    pub(crate) async fn enter(
        &self,
        sequence: u64,
        checksum: u32,
        floor: &Floor,
        patience: Duration,
    ) -> Known {
        let slot = sequence % SLOTS;
        let origin = Origin {
            instance: self.sender(slot, 0),
            sequence,
            checksum,
        };
        loop {
            let freed = self.is_free.notified();
            match self.under_way.lock().entry(slot) {
                Entry::Vacant(place) => {
                    place.insert(origin);
                    break;
                }
                Entry::Occupied(other) if other.get().sequence == sequence => {
                    return Known::UnderWay(*other.get());
                }
                Entry::Occupied(_) => {}
            }
            freed.await;
        }
        let known = self.look(slot, origin, floor, patience).await;
        match known {
            Known::New(origin) => drop(self.under_way.lock().insert(slot, origin)),
            _ => self.leave(sequence),
        }
        known
    }

    /// The message is stored, or is not going to be.
    pub(crate) fn leave(&self, sequence: u64) {
        self.under_way.lock().remove(&(sequence % SLOTS));
        self.is_free.notify_waiters();
    }

    /// The server has confirmed the acknowledgement of the message.
    pub(crate) fn confirm(&self, sequence: u64) {
        self.confirmed[(sequence % SLOTS) as usize].fetch_max(sequence, Ordering::AcqRel);
    }

    /// Waits until what was handed on is on disk.
    pub(crate) async fn stored(&self, origin: Origin) {
        loop {
            let mut commits = self.spool.on_commit(origin.instance);
            loop {
                if *commits.borrow_and_update() >= origin.sequence {
                    return;
                }
                if commits.changed().await.is_err() {
                    // It tells nobody any more, because something else is damaged, or it ends.
                    break;
                }
            }
            sleep(AGAIN).await;
        }
    }

    /// The last message that is stored; 0 if none is.
    pub(crate) async fn last(&self) -> u64 {
        let mut last = 0;
        for slot in 0..SLOTS {
            last = last.max(self.mark(self.sender(slot, 0)).await);
        }
        last
    }

    /// Whether the message is stored, if the mark of its slot is this one.
    async fn is_stored(&self, slot: u64, sequence: u64, mark: u64) -> bool {
        mark == sequence || mark > sequence && self.mark(self.sender(slot, sequence)).await > 0
    }

    async fn look(&self, slot: u64, origin: Origin, floor: &Floor, patience: Duration) -> Known {
        let sequence = origin.sequence;
        let mark = self.mark(origin.instance).await;
        if self.is_stored(slot, sequence, mark).await {
            return Known::Stored;
        }
        if mark > sequence {
            let instance = self.sender(slot, sequence);
            return Known::New(Origin { instance, ..origin });
        }
        let is_confirmed = self.confirmed[slot as usize].load(Ordering::Acquire) >= mark;
        if !is_confirmed && timeout(patience, floor.reaches(mark)).await.is_err() {
            tracing::debug!(mark, "a message was neither acknowledged nor delivered again");
        }
        Known::New(origin)
    }

    /// The number of the mark; 0 if there is none.
    async fn mark(&self, sender: InstanceId) -> u64 {
        loop {
            match self.spool.committed(sender) {
                Ok(mark) => return mark.map_or(0, |(sequence, _)| sequence),
                Err(failure) => tracing::debug!(%failure, "it is not known which messages are stored"),
            }
            sleep(AGAIN).await;
        }
    }

    /// A slot as a sender, or one late message of it.
    fn sender(&self, slot: u64, late: u64) -> InstanceId {
        let hash = Sha256::new()
            .chain_update(self.stream)
            .chain_update(slot.to_le_bytes())
            .chain_update(late.to_le_bytes())
            .finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        InstanceId(id)
    }
}

#[cfg(test)]
mod tests {
    use alumet_core::Resource;
    use alumet_core::catalog::Catalog;
    use alumet_core::time::Timestamp;
    use alumet_core::{Consumer, unit::Unit};
    use alumet_shared_spool::{DiskSpool, SpoolConfig};

    use super::*;

    alumet_core::metrics! {
        LEVEL = Gauge<u64> {
            name: "level",
            unit: Unit::ONE,
            description: "For these tests.",
        };
    }

    const NO_TIME: Duration = Duration::ZERO;

    struct Bench {
        _folder: tempfile::TempDir,
        spool: Arc<dyn Spool>,
        catalog: Catalog,
        marks: Marks,
        floor: Floor,
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let catalog = Catalog::new();
            let config = SpoolConfig {
                path: Some(folder.path().join("spool.db")),
                ..SpoolConfig::default()
            };
            let spool: Arc<dyn Spool> = DiskSpool::open(config, catalog.clone());
            Self {
                _folder: folder,
                marks: Marks::new(Arc::clone(&spool), "stream"),
                spool,
                catalog,
                floor: Floor::default(),
            }
        }

        async fn enter(&self, sequence: u64) -> Known {
            self.marks.enter(sequence, 7, &self.floor, NO_TIME).await
        }

        /// Stores a message, which has to be new.
        async fn store(&self, sequence: u64) -> Origin {
            let Known::New(origin) = self.enter(sequence).await else {
                panic!("{sequence} is known")
            };
            let metric = self.catalog.metric(&LEVEL).unwrap();
            let series = self
                .catalog
                .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
                .register();
            let mut batch = self.catalog.batch();
            batch.push(&series, Timestamp::from_nanos(1), sequence);
            batch.set_origin(origin);
            self.spool.append(&Arc::new(batch));
            assert!(self.spool.commit(Duration::from_secs(60)));
            self.marks.stored(origin).await;
            self.marks.leave(sequence);
            origin
        }
    }

    #[tokio::test]
    async fn a_message_is_new_under_way_and_then_stored_also_for_whoever_begins_anew() {
        let bench = Bench::new();
        let Known::New(origin) = bench.enter(5).await else {
            panic!()
        };
        assert_eq!(bench.enter(5).await, Known::UnderWay(origin));
        bench.marks.leave(5);
        assert_eq!(bench.store(5).await, origin);
        assert_eq!(bench.enter(5).await, Known::Stored);
        let marks = Marks::new(Arc::clone(&bench.spool), "stream");
        assert_eq!(marks.enter(5, 7, &bench.floor, NO_TIME).await, Known::Stored);
        assert_eq!((marks.last().await, all().len()), (5, 1));
        let other = Marks::new(Arc::clone(&bench.spool), "another stream");
        assert!(matches!(
            other.enter(5, 7, &bench.floor, NO_TIME).await,
            Known::New(_)
        ));
    }

    #[tokio::test]
    async fn a_message_that_comes_after_a_later_one_of_its_slot_is_taken_and_known_afterwards() {
        let bench = Bench::new();
        let later = bench.store(5 + SLOTS).await;
        let late = bench.store(5).await;
        assert_ne!(later.instance, late.instance);
        for sequence in [5, 5 + SLOTS] {
            assert_eq!(bench.enter(sequence).await, Known::Stored);
        }
        bench.store(5 + 2 * SLOTS).await;
    }

    #[tokio::test]
    async fn a_mark_stays_until_its_message_is_acknowledged() {
        let bench = Bench::new();
        bench.store(5).await;
        let patience = Duration::from_secs(3600);
        let next = |floor| bench.marks.enter(5 + SLOTS, 7, floor, patience);
        let waits = timeout(Duration::from_millis(50), next(&bench.floor)).await;
        assert!(waits.is_err(), "{waits:?}");
        bench.marks.leave(5 + SLOTS);
        bench.marks.confirm(5);
        assert!(matches!(next(&bench.floor).await, Known::New(_)));
    }
}
