//! A spool in memory, with records that say themselves what they need.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::Failure;
use alumet_core::batch::Batch;
use alumet_core::spool::{
    Definitions, Gap, GapReason, InstanceId, Numbering, Record, Spool, SpoolReader, SpoolStatus, Spooled,
    Wake,
};
use parking_lot::Mutex;
use tokio::sync::watch;

/// A spool that a test fills and an output empties. Clones are the same spool.
#[derive(Clone, Default)]
pub(crate) struct FakeSpool(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    wakes: Mutex<Vec<Wake>>,
}

#[derive(Default)]
struct State {
    items: BTreeMap<u64, Spooled>,
    head: u64,
    given: u64,
    acknowledged: u64,
    numberings: Vec<Numbering>,
    /// What is acknowledged and was to be kept.
    kept: BTreeMap<u64, Record>,
    keeps: bool,
    failures: Vec<String>,
    recoveries: usize,
    definition_bytes: usize,
    is_broken: bool,
}

/// Each record needs one definition more, up to this number per generation.
const DEFINITIONS: u32 = 50;

/// After so many records, a new generation begins.
const PER_GENERATION: u64 = 200;

impl FakeSpool {
    /// A spool with an identity.
    pub(crate) fn new(instance: u8) -> Self {
        let spool = Self::default();
        let mut state = spool.0.state.lock();
        state.numberings = vec![numbering(instance, 1)];
        state.definition_bytes = 3;
        drop(state);
        spool
    }

    /// Appends records of ten samples, each with a payload of so many bytes.
    pub(crate) fn append(&self, count: u64, bytes: usize) {
        self.append_as(0, count, bytes);
    }

    /// As [`Self::append`], with a content that another writer would not have.
    pub(crate) fn append_as(&self, writer: u8, count: u64, bytes: usize) {
        let mut state = self.0.state.lock();
        for _ in 0..count {
            state.head += 1;
            let record = record(writer, state.head, bytes);
            let sequence = state.head;
            state.items.insert(sequence, Spooled::Record(record));
        }
        drop(state);
        self.wake();
    }

    /// As after a crash and a restart: so many numbers are left out, and others count within another identity.
    pub(crate) fn restarted(self, skipped: u64, instance: u8) -> Self {
        let mut state = self.0.state.lock();
        state.head += skipped;
        let first = state.head + 1;
        state.numberings.push(numbering(instance, first));
        drop(state);
        self
    }

    /// Appends a gap in place of so many records.
    pub(crate) fn append_gap(&self, records: u64) {
        let mut state = self.0.state.lock();
        let gap = Gap {
            first: state.head + 1,
            last: state.head + records,
            samples: records * 10,
            time: None,
            reason: GapReason::Full,
        };
        state.head = gap.last;
        state.items.insert(gap.last, Spooled::Gap(gap));
        drop(state);
        self.wake();
    }

    fn wake(&self) {
        self.0.wakes.lock().iter().for_each(|wake| wake());
    }

    /// The same records and identities: a clone of a machine that runs, or a snapshot to which it goes back.
    pub(crate) fn copied(&self) -> Self {
        let state = self.0.state.lock();
        let copy = State {
            items: state.items.clone(),
            head: state.head,
            given: state.acknowledged,
            acknowledged: state.acknowledged,
            numberings: state.numberings.clone(),
            kept: state.kept.clone(),
            keeps: state.keeps,
            definition_bytes: 3,
            ..State::default()
        };
        Self(Arc::new(Inner {
            state: Mutex::new(copy),
            wakes: Mutex::default(),
        }))
    }

    /// How large each piece of the definitions is.
    pub(crate) fn set_definition_bytes(&self, bytes: usize) {
        self.0.state.lock().definition_bytes = bytes;
    }

    /// Nothing can be read any more.
    pub(crate) fn break_disk(&self) {
        self.0.state.lock().is_broken = true;
        self.wake();
    }

    /// As after a restart of the program: everything is given again that is not acknowledged.
    pub(crate) fn forget_given(&self) {
        let mut state = self.0.state.lock();
        state.given = state.acknowledged;
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.0.state.lock().acknowledged
    }

    /// Takes note of what a pipeline says of the output.
    pub(crate) fn note(&self, failure: Option<String>) {
        let mut state = self.0.state.lock();
        match failure {
            Some(failure) => state.failures.push(failure),
            None => state.recoveries += 1,
        }
    }

    pub(crate) fn failures(&self) -> Vec<String> {
        self.0.state.lock().failures.clone()
    }

    pub(crate) fn recoveries(&self) -> usize {
        self.0.state.lock().recoveries
    }

    pub(crate) fn id(&self) -> InstanceId {
        self.0.state.lock().numberings.last().unwrap().instance
    }
}

fn numbering(instance: u8, first: u64) -> Numbering {
    Numbering {
        instance: InstanceId([instance; 16]),
        first,
    }
}

/// What a record holds: whose it is, its number, and how many definitions it needs.
fn record(writer: u8, sequence: u64, bytes: usize) -> Record {
    let mut payload = vec![writer; bytes.max(13)];
    payload[..8].copy_from_slice(&sequence.to_le_bytes());
    payload[8..12].copy_from_slice(&needed(sequence).to_le_bytes());
    Record {
        sequence,
        generation: u32::try_from(sequence / PER_GENERATION).unwrap() + 1,
        samples: 10,
        checksum: crc32fast::hash(&payload),
        payload: payload.into(),
        batch: None,
    }
}

fn needed(sequence: u64) -> u32 {
    u32::try_from(sequence % PER_GENERATION + 1)
        .unwrap()
        .min(DEFINITIONS)
}

impl Spool for FakeSpool {
    fn numberings(&self) -> Vec<Numbering> {
        self.0.state.lock().numberings.clone()
    }

    fn replace_instance(&self) -> InstanceId {
        let old = self.id().0[0];
        let mut state = self.0.state.lock();
        state.kept.clear();
        state.numberings = vec![numbering(old ^ 0x80, state.acknowledged + 1)];
        drop(state);
        self.id()
    }

    fn keep(&self, age: Duration) {
        self.0.state.lock().keeps |= !age.is_zero();
    }

    fn append(&self, _: &Arc<Batch>) -> u64 {
        panic!("nothing is measured")
    }

    fn committed(&self, _: InstanceId) -> Result<Option<(u64, u32)>, Failure> {
        Ok(None)
    }

    fn on_commit(&self, _: InstanceId) -> watch::Receiver<u64> {
        watch::channel(0).1
    }

    fn records_after(&self, sequence: u64, bytes: usize) -> Result<Vec<Record>, Failure> {
        let state = self.0.state.lock();
        let kept = state.kept.range(sequence + 1..).map(|(_, record)| record);
        let items = state.items.range(sequence + 1..);
        let waiting = items.filter_map(|(_, item)| match item {
            Spooled::Record(record) => Some(record),
            Spooled::Gap(_) => None,
        });
        let mut room = bytes.max(1);
        let fitting = kept.chain(waiting).take_while(|record| {
            let fits = room > 0;
            room = room.saturating_sub(record.payload.len());
            fits
        });
        Ok(fitting.cloned().collect())
    }

    fn definitions(&self, generation: u32, from: u32) -> Result<Vec<Definitions>, Failure> {
        let bytes = self.0.state.lock().definition_bytes;
        // In pieces of 7, some of which begin before what was asked for.
        let pieces = (0..DEFINITIONS).step_by(7).map(|first| Definitions {
            generation,
            first,
            count: 7.min(DEFINITIONS - first),
            payload: vec![0; bytes].into(),
        });
        Ok(pieces.filter(|piece| piece.first + piece.count > from).collect())
    }

    fn reader(&self, _: &str, wake: Wake) -> Arc<dyn SpoolReader> {
        self.0.wakes.lock().push(wake);
        Arc::new(self.clone())
    }

    fn commit(&self, _: Duration) -> bool {
        true
    }

    fn status(&self) -> SpoolStatus {
        SpoolStatus::default()
    }
}

impl SpoolReader for FakeSpool {
    fn forget(&self) {}

    fn waiting(&self) -> u64 {
        let state = self.0.state.lock();
        state.items.values().map(samples).sum()
    }

    fn position(&self) -> Result<Option<Vec<u8>>, Failure> {
        Ok(None)
    }

    fn read(&self, bytes: usize) -> Result<Vec<Spooled>, Failure> {
        let mut state = self.0.state.lock();
        if state.is_broken {
            return Err(Failure::retry("the disk is gone"));
        }
        let (mut given, mut found, mut room) = (state.given, Vec::new(), bytes);
        for (last, item) in state.items.range(given + 1..) {
            if room == 0 {
                break;
            }
            if let Spooled::Record(record) = item {
                room = room.saturating_sub(record.payload.len());
            }
            given = *last;
            found.push(item.clone());
        }
        state.given = given;
        Ok(found)
    }

    fn batch(&self, _: &Record) -> Result<Arc<Batch>, Failure> {
        Err(Failure::skip("these records hold no samples"))
    }

    fn acknowledge(&self, sequence: u64, _: Option<Vec<u8>>) -> u64 {
        let mut state = self.0.state.lock();
        state.acknowledged = state.acknowledged.max(sequence);
        let next = state.acknowledged + 1;
        let left = state.items.split_off(&next);
        let done = std::mem::replace(&mut state.items, left);
        if state.keeps {
            for (sequence, item) in &done {
                if let Spooled::Record(record) = item {
                    state.kept.insert(*sequence, record.clone());
                }
            }
        }
        done.values()
            .filter(|item| matches!(item, Spooled::Record(_)))
            .map(samples)
            .sum()
    }
}

fn samples(item: &Spooled) -> u64 {
    match item {
        Spooled::Record(record) => u64::from(record.samples),
        Spooled::Gap(gap) => gap.samples,
    }
}
