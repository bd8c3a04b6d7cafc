//! A spool in memory, with records that say themselves what they need.

use std::collections::BTreeMap;
use std::sync::Arc;

use alumet_core::Failure;
use alumet_core::spool::{Definitions, Gap, GapReason, InstanceId, Record, Spooled};
use alumet_plugin_relay_client::RecordFeed;
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// A spool that a test fills and an output empties. Clones are the same spool.
#[derive(Clone, Default)]
pub(crate) struct FakeSpool(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    items: BTreeMap<u64, Spooled>,
    head: u64,
    given: u64,
    acknowledged: u64,
    is_closed: bool,
    instance: u8,
    rejected: Vec<u64>,
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
        state.instance = instance;
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
        self.0.changed.notify_waiters();
    }

    /// As after a crash: so many numbers are left out, because they may have been used.
    pub(crate) fn skip(&self, count: u64) {
        self.0.state.lock().head += count;
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
        self.0.changed.notify_waiters();
    }

    /// Nothing comes any more.
    pub(crate) fn close(&self) {
        self.0.state.lock().is_closed = true;
        self.0.changed.notify_waiters();
    }

    /// As after a restart of the program, or on another machine: the same records and identity.
    pub(crate) fn copied(&self) -> Self {
        let state = self.0.state.lock();
        let copy = State {
            items: state.items.clone(),
            head: state.head,
            given: state.acknowledged,
            acknowledged: state.acknowledged,
            instance: state.instance,
            definition_bytes: 3,
            ..State::default()
        };
        Self(Arc::new(Inner {
            state: Mutex::new(copy),
            changed: Notify::new(),
        }))
    }

    /// How large each piece of the definitions is.
    pub(crate) fn set_definition_bytes(&self, bytes: usize) {
        self.0.state.lock().definition_bytes = bytes;
    }

    /// Nothing can be read any more.
    pub(crate) fn break_disk(&self) {
        self.0.state.lock().is_broken = true;
        self.0.changed.notify_waiters();
    }

    /// As after a restart of the program: everything is given again that is not acknowledged.
    pub(crate) fn forget_given(&self) {
        let mut state = self.0.state.lock();
        state.given = state.acknowledged;
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.0.state.lock().acknowledged
    }

    pub(crate) fn given(&self) -> u64 {
        self.0.state.lock().given
    }

    pub(crate) fn rejected(&self) -> Vec<u64> {
        self.0.state.lock().rejected.clone()
    }

    pub(crate) fn failures(&self) -> Vec<String> {
        self.0.state.lock().failures.clone()
    }

    pub(crate) fn recoveries(&self) -> usize {
        self.0.state.lock().recoveries
    }

    pub(crate) fn id(&self) -> InstanceId {
        InstanceId([self.0.state.lock().instance; 16])
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

#[async_trait]
impl RecordFeed for FakeSpool {
    async fn next(&mut self) -> Result<Option<Spooled>, Failure> {
        loop {
            let changed = self.0.changed.notified();
            {
                let mut state = self.0.state.lock();
                if state.is_broken {
                    return Err(Failure::retry("the disk is gone"));
                }
                let after = state.given + 1;
                if let Some((last, item)) = state.items.range(after..).next() {
                    let (last, item) = (*last, item.clone());
                    state.given = last;
                    return Ok(Some(item));
                }
                if state.is_closed {
                    return Ok(None);
                }
            }
            changed.await;
        }
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

    fn acknowledge(&mut self, sequence: u64) {
        let mut state = self.0.state.lock();
        state.acknowledged = state.acknowledged.max(sequence);
        let acknowledged = state.acknowledged;
        state.items.retain(|last, _| *last > acknowledged);
    }

    fn reject(&mut self, record: &Record) {
        let before = self.acknowledged();
        assert!(before >= record.sequence - 1, "what was before it would be lost");
        self.0.state.lock().rejected.push(record.sequence);
        self.acknowledge(record.sequence);
    }

    async fn rewind(&mut self) {
        let mut state = self.0.state.lock();
        state.given = state.acknowledged;
    }

    fn waiting(&self) -> u64 {
        let state = self.0.state.lock();
        let samples = |item: &Spooled| match item {
            Spooled::Record(record) => u64::from(record.samples),
            Spooled::Gap(gap) => gap.samples,
        };
        state.items.values().map(samples).sum()
    }

    fn is_closed(&self) -> bool {
        self.0.state.lock().is_closed
    }

    fn instance(&self) -> InstanceId {
        self.id()
    }

    fn replace_instance(&mut self) -> InstanceId {
        self.0.state.lock().instance ^= 0x80;
        self.id()
    }

    fn failed(&self, failure: &Failure) {
        self.0.state.lock().failures.push(failure.to_string());
    }

    fn recovered(&self) {
        self.0.state.lock().recoveries += 1;
    }
}
