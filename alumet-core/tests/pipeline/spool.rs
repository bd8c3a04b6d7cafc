//! A spool in memory that outlives pipelines, as one on disk does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::failure::Failure;
use alumet_core::spool::{
    Definitions, Gap, GapReason, InstanceId, Numbering, Record, Spool, SpoolReader, SpoolSlot, SpoolStatus,
    Spooled, Wake,
};
use alumet_core::{Batch, Catalog};
use parking_lot::Mutex;
use tokio::sync::watch;

/// Cheap to clone; all clones are the same spool.
#[derive(Clone, Default)]
pub(crate) struct MemorySpool(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    items: Vec<Spooled>,
    last: u64,
    cursors: BTreeMap<String, Cursor>,
    origins: BTreeMap<InstanceId, u64>,
    refuses_to_commit: bool,
    /// Records do not bring their batches.
    is_bare: bool,
    /// How often records cannot be decoded because the disk is away.
    away: u32,
    /// How many records were decoded.
    decoded: usize,
    /// Batches of records that do not bring them.
    batches: BTreeMap<u64, Arc<Batch>>,
    /// With a disk, a record can be read when somebody has waited for it to be committed.
    is_slow: bool,
    committed: u64,
    wakes: Vec<Wake>,
}

#[derive(Default, Clone)]
struct Cursor {
    acknowledged: u64,
    given: u64,
    position: Option<Vec<u8>>,
}

impl MemorySpool {
    pub(crate) fn slot(&self) -> SpoolSlot {
        let spool = self.clone();
        SpoolSlot::new(move |_: &Catalog| Arc::new(spool.clone()))
    }

    /// The numbers of what is kept.
    pub(crate) fn kept(&self) -> Vec<u64> {
        self.0.lock().items.iter().map(Spooled::last).collect()
    }

    pub(crate) fn follows(&self, output: &str) -> bool {
        self.0.lock().cursors.contains_key(output)
    }

    /// Replaces the newest record by a gap.
    pub(crate) fn lose_one(&self) {
        if let Some(item) = self.0.lock().items.last_mut()
            && let Spooled::Record(record) = item
        {
            *item = Spooled::Gap(Gap {
                first: record.sequence,
                last: record.sequence,
                samples: u64::from(record.samples),
                time: None,
                reason: GapReason::Full,
            });
        }
    }

    /// From now on, records are on disk only after somebody has waited for that.
    pub(crate) fn be_slow(&self) {
        self.0.lock().is_slow = true;
    }

    /// From now on, records have to be decoded, which fails so often before it works.
    pub(crate) fn forget_batches(&self, away: u32) {
        let mut state = self.0.lock();
        state.is_bare = true;
        state.away = away;
    }

    pub(crate) fn decoded(&self) -> usize {
        self.0.lock().decoded
    }

    /// What waits cannot be decoded, now or later.
    pub(crate) fn damage(&self) {
        self.0.lock().batches.clear();
    }

    pub(crate) fn refuse_to_commit(&self) {
        self.0.lock().refuses_to_commit = true;
    }
}

impl Spool for MemorySpool {
    fn numberings(&self) -> Vec<Numbering> {
        Vec::new()
    }

    fn replace_instance(&self) -> InstanceId {
        InstanceId([7; 16])
    }

    fn keep(&self, _: Duration) {}

    fn append(&self, batch: &Arc<Batch>) -> u64 {
        let mut state = self.0.lock();
        if let Some(origin) = batch.origin() {
            state.origins.insert(origin.instance, origin.sequence);
        }
        if batch.is_empty() {
            return state.last;
        }
        state.last += 1;
        let record = Record {
            sequence: state.last,
            generation: 1,
            samples: u32::try_from(batch.len()).unwrap(),
            checksum: 0,
            payload: [].into(),
            batch: (!state.is_bare).then(|| Arc::clone(batch)),
        };
        let last = state.last;
        state.batches.insert(last, Arc::clone(batch));
        if !state.cursors.is_empty() {
            state.items.push(Spooled::Record(record));
        }
        state.wakes.iter().for_each(|wake| wake());
        state.last
    }

    fn committed(&self, sender: InstanceId) -> Result<Option<(u64, u32)>, Failure> {
        Ok(self.0.lock().origins.get(&sender).map(|last| (*last, 0)))
    }

    fn on_commit(&self, _: InstanceId) -> watch::Receiver<u64> {
        watch::channel(0).1
    }

    fn records_after(&self, _: u64, _: usize) -> Result<Vec<Record>, Failure> {
        Ok(Vec::new())
    }

    fn definitions(&self, _: u32, _: u32) -> Result<Vec<Definitions>, Failure> {
        Ok(Vec::new())
    }

    fn reader(&self, output: &str, wake: Wake) -> Arc<dyn SpoolReader> {
        let mut state = self.0.lock();
        state.wakes.push(wake);
        let last = state.last;
        let cursor = state.cursors.entry(output.to_owned()).or_insert(Cursor {
            acknowledged: last,
            given: last,
            position: None,
        });
        cursor.given = cursor.acknowledged;
        drop(state);
        Arc::new(Reader {
            spool: self.clone(),
            output: output.to_owned(),
        })
    }

    fn commit(&self, _: Duration) -> bool {
        let mut state = self.0.lock();
        state.committed = state.last;
        !state.refuses_to_commit
    }

    fn status(&self) -> SpoolStatus {
        let samples = self.0.lock().items.iter().map(samples).sum();
        SpoolStatus {
            samples,
            uncommitted_samples: samples,
            ..SpoolStatus::default()
        }
    }
}

struct Reader {
    spool: MemorySpool,
    output: String,
}

fn samples(item: &Spooled) -> u64 {
    match item {
        Spooled::Record(record) => u64::from(record.samples),
        Spooled::Gap(gap) => gap.samples,
    }
}

impl SpoolReader for Reader {
    fn forget(&self) {
        self.spool.0.lock().cursors.remove(&self.output);
    }

    fn waiting(&self) -> u64 {
        let state = self.spool.0.lock();
        let Some(cursor) = state.cursors.get(&self.output) else {
            return 0;
        };
        let waiting = state
            .items
            .iter()
            .filter(|item| item.last() > cursor.acknowledged);
        waiting.map(samples).sum()
    }

    fn position(&self) -> Result<Option<Vec<u8>>, Failure> {
        let state = self.spool.0.lock();
        let cursor = state.cursors.get(&self.output);
        Ok(cursor.and_then(|cursor| cursor.position.clone()))
    }

    fn read(&self, _: usize) -> Result<Vec<Spooled>, Failure> {
        let mut state = self.spool.0.lock();
        let readable = if state.is_slow {
            state.committed
        } else {
            state.last
        };
        let State {
            items,
            cursors,
            is_bare,
            ..
        } = &mut *state;
        let Some(cursor) = cursors.get_mut(&self.output) else {
            return Ok(Vec::new());
        };
        // Those that need to be decoded come together.
        let most = if *is_bare { usize::MAX } else { 1 };
        let next = items
            .iter()
            .filter(|item| item.last() > cursor.given && item.last() <= readable);
        let next: Vec<_> = next.take(most).cloned().collect();
        cursor.given = next.last().map_or(cursor.given, Spooled::last);
        Ok(next)
    }

    fn batch(&self, record: &Record) -> Result<Arc<Batch>, Failure> {
        let mut state = self.spool.0.lock();
        if state.away > 0 {
            state.away -= 1;
            return Err(Failure::retry("the disk is away"));
        }
        state.decoded += 1;
        let batch = state.batches.get(&record.sequence).cloned();
        batch.ok_or_else(|| Failure::skip("it cannot be decoded"))
    }

    fn acknowledge(&self, sequence: u64, position: Option<Vec<u8>>) -> u64 {
        let mut state = self.spool.0.lock();
        let State { items, cursors, .. } = &mut *state;
        let Some(cursor) = cursors.get_mut(&self.output) else {
            return 0;
        };
        let done = items
            .iter()
            .filter(|item| item.last() > cursor.acknowledged && item.last() <= sequence)
            .filter(|item| matches!(item, Spooled::Record(_)))
            .map(samples)
            .sum();
        cursor.acknowledged = cursor.acknowledged.max(sequence);
        cursor.position = position;
        let least = cursors.values().map(|cursor| cursor.acknowledged).min();
        items.retain(|item| least.is_none_or(|least| item.last() > least));
        done
    }
}
