//! Records that were encoded before, sent as fast as the other side takes them.

use std::sync::Arc;

use alumet_benches::drive::{Feed, drive, record};
use alumet_core::failure::Failure;
use alumet_core::spool::{Definitions, InstanceId, Record};
use alumet_core::{Batch, Catalog};
use alumet_plugin_relay_client::Config;
use alumet_shared_batch_encoding::{Encoded, Encoder};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::machine::Machine;

/// How many different batches there are; they are sent again and again.
const DIFFERENT: usize = 20;

/// Encoded batches with their definitions.
pub(crate) struct Prepared {
    definitions: Definitions,
    batches: Vec<Encoded>,
}

/// Sends the same batches under new numbers: the first as soon as it can, all others when it is told. It never ends, as no
/// agent does: a server need not keep the series of one that has gone.
struct Repeat {
    prepared: Arc<Prepared>,
    total: u64,
    given: u64,
    acknowledged: watch::Sender<u64>,
    start: watch::Receiver<bool>,
}

/// Clients that are connected, and have sent their definitions and a batch. They are until this is dropped.
pub(crate) struct Clients {
    total: u64,
    start: watch::Sender<bool>,
    acknowledged: Vec<watch::Receiver<u64>>,
    _tasks: JoinSet<()>,
}

impl Prepared {
    /// Batches of a machine with so many control groups that all work.
    pub(crate) fn new(groups: usize) -> Self {
        let catalog = Catalog::new();
        let mut encoder = Encoder::new(1);
        let batches: Vec<Batch> = Machine::new(&catalog, groups).batches(&catalog, DIFFERENT);
        let batches: Vec<Encoded> = batches.iter().map(|batch| encoder.encode(batch)).collect();
        let definitions = batches[0].definitions.clone().expect("new series");
        Self { definitions, batches }
    }

    /// Bytes of payload per sample.
    pub(crate) fn bytes_per_sample(&self) -> f64 {
        let bytes: usize = self.batches.iter().map(|batch| batch.payload.len()).sum();
        let samples: u32 = self.batches.iter().map(|batch| batch.samples).sum();
        bytes as f64 / f64::from(samples)
    }
}

impl Clients {
    /// One for each configuration; each has `total` batches to send.
    pub(crate) async fn connect(
        prepared: &Arc<Prepared>,
        configs: impl IntoIterator<Item = Config>,
        total: u64,
    ) -> Self {
        let (start, begin) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let mut acknowledged = Vec::new();
        for (number, config) in configs.into_iter().enumerate() {
            let (sender, receiver) = watch::channel(0);
            acknowledged.push(receiver);
            let mut instance = [7; 16];
            instance[..8].copy_from_slice(&(number as u64).to_le_bytes());
            instance[8..12].copy_from_slice(&std::process::id().to_le_bytes());
            let mut feed = Repeat {
                prepared: Arc::clone(prepared),
                total,
                given: 0,
                acknowledged: sender,
                start: begin.clone(),
            };
            tasks.spawn(async move { drive(&config, InstanceId(instance), &mut feed).await });
        }
        let mut clients = Self {
            total,
            start,
            acknowledged,
            _tasks: tasks,
        };
        clients.await_acknowledged(1).await;
        clients
    }

    /// Sends all others and waits until they are acknowledged.
    pub(crate) async fn send(&mut self) {
        self.start.send_replace(true);
        self.await_acknowledged(self.total).await;
    }

    async fn await_acknowledged(&mut self, sequence: u64) {
        for acknowledged in &mut self.acknowledged {
            let is_reached = |acknowledged: &u64| *acknowledged >= sequence;
            acknowledged.wait_for(is_reached).await.expect("a client");
        }
    }
}

impl Feed for Repeat {
    async fn next(&mut self) -> Option<Record> {
        if self.given == self.total {
            return std::future::pending().await;
        }
        if self.given > 0 {
            let _ = self.start.wait_for(|start| *start).await;
        }
        self.given += 1;
        let batches = &self.prepared.batches;
        Some(record(self.given, &batches[self.given as usize % batches.len()]))
    }

    fn definitions(&self) -> Vec<Definitions> {
        vec![self.prepared.definitions.clone()]
    }

    fn acknowledge(&mut self, sequence: u64) {
        self.acknowledged.send_replace(sequence);
    }

    fn rewind(&mut self) {
        self.given = *self.acknowledged.borrow();
    }

    fn failed(&self, failure: &Failure) {
        println!("  a session failed: {failure}");
    }
}
