//! An agent that makes a batch each second, and knows how long each one took to be stored.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use alumet_benches::drive::{Feed, record};
use alumet_core::failure::Failure;
use alumet_core::spool::{Definitions, Record};
use alumet_core::{Catalog, Timestamp};
use alumet_shared_batch_encoding::Encoder;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::machine::Machine;

const SECOND: Duration = Duration::from_secs(1);

/// What is noted of one agent.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// From when a batch was due until it was acknowledged.
    pub(crate) delays: Vec<Duration>,
    /// When something was acknowledged first since these notes were begun.
    pub(crate) acknowledged: Option<Instant>,
    pub(crate) samples: u64,
    pub(crate) failures: u32,
}

/// One agent. It makes up for the ticks that it could not send in time.
pub(crate) struct Live {
    catalog: Catalog,
    machine: Machine,
    encoder: Encoder,
    definitions: Vec<Definitions>,
    /// When the first batch is due.
    begin: Instant,
    made: u32,
    /// What is not acknowledged, with when it was due.
    records: VecDeque<(Record, Instant)>,
    given: usize,
    notes: Arc<Mutex<Notes>>,
}

impl Live {
    /// A machine with so many control groups.
    pub(crate) fn new(groups: usize, begin: Instant, notes: Arc<Mutex<Notes>>) -> Self {
        let catalog = Catalog::new();
        Self {
            machine: Machine::new(&catalog, groups),
            catalog,
            encoder: Encoder::new(1),
            definitions: Vec::new(),
            begin,
            made: 0,
            records: VecDeque::new(),
            given: 0,
            notes,
        }
    }

    fn make(&mut self, due: Instant) {
        let at = Timestamp::from_nanos(1_800_000_000_000_000_000 + i64::from(self.made) * 1_000_000_000);
        self.made += 1;
        let batch = self.machine.batch(&self.catalog, at, 1_000_000_000);
        let encoded = self.encoder.encode(&batch);
        self.records.push_back((record(self.made.into(), &encoded), due));
        self.definitions.extend(encoded.definitions);
    }
}

impl Feed for Live {
    async fn next(&mut self) -> Option<Record> {
        if self.given == self.records.len() {
            let due = self.begin + SECOND * self.made;
            sleep_until(due).await;
            self.make(due);
        }
        let (record, _) = &self.records[self.given];
        self.given += 1;
        Some(record.clone())
    }

    fn definitions(&self) -> Vec<Definitions> {
        self.definitions.clone()
    }

    fn acknowledge(&mut self, sequence: u64) {
        let now = Instant::now();
        let mut notes = self.notes.lock();
        notes.acknowledged.get_or_insert(now);
        while let Some((record, due)) = self.records.front()
            && record.sequence <= sequence
        {
            notes.delays.push(now - *due);
            notes.samples += u64::from(record.samples);
            self.records.pop_front();
            self.given = self.given.saturating_sub(1);
        }
    }

    fn rewind(&mut self) {
        self.given = 0;
    }

    fn failed(&self, _: &Failure) {
        self.notes.lock().failures += 1;
    }
}
