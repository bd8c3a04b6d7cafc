//! What the engine does with the output of a client, without the rest of a pipeline: a thousand of them fit in one process.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a program of the benchmarks has nobody to report to"
)]

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::failure::Failure;
use alumet_core::output::{Delivering, Delivery, DeliveryFuture, Output};
use alumet_core::spool::{
    Definitions, InstanceId, Numbering, Record, Spool, SpoolReader, SpoolStatus, Spooled, Wake,
};
use alumet_core::time::Moment;
use alumet_core::{Batch, Catalog};
use alumet_plugin_relay_client::{Config, RelayOutput};
use alumet_shared_batch_encoding::Encoded;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::sleep;

/// As many as the plugin has under way.
const IN_FLIGHT: usize = 64;
/// Before another attempt, unless the output asks for another pause.
const PAUSE: Duration = Duration::from_millis(100);

/// Where records come from.
pub trait Feed: Send {
    /// The next record, waiting for it; `None` when there are no more. Nothing is lost when the future is dropped.
    fn next(&mut self) -> impl Future<Output = Option<Record>> + Send;

    /// All definitions of these records.
    fn definitions(&self) -> Vec<Definitions>;

    /// Everything up to `sequence` is stored.
    fn acknowledge(&mut self, sequence: u64);

    /// Gives everything again that is not acknowledged.
    fn rewind(&mut self);

    /// Nothing can be delivered at the moment.
    fn failed(&self, failure: &Failure);
}

/// Sends what the feed gives until everything is acknowledged.
///
/// # Panics
/// When the configuration is none of a client.
pub async fn drive(config: &Config, instance: InstanceId, feed: &mut impl Feed) {
    let known = Arc::new(Known {
        instance,
        definitions: Mutex::default(),
    });
    let spool: Arc<dyn Spool> = known.clone();
    let mut output = RelayOutput::new(config, spool).expect("a client");
    let catalog = Catalog::new();
    let mut under_way: VecDeque<(u64, DeliveryFuture)> = VecDeque::new();
    let mut has_ended = false;
    loop {
        let failure = tokio::select! {
            record = feed.next(), if !has_ended && under_way.len() < IN_FLIGHT => {
                let Some(record) = record else {
                    has_ended = true;
                    continue;
                };
                *known.definitions.lock() = feed.definitions();
                let sequence = record.sequence;
                let delivery =
                    Delivery::of_record(Spooled::Record(record), catalog.clone(), Moment::default());
                match output.deliver(&delivery) {
                    Ok(Delivering::UnderWay(future)) => {
                        under_way.push_back((sequence, future));
                        continue;
                    }
                    Ok(Delivering::Done(_)) => unreachable!("a server answers later"),
                    Err(failure) => failure,
                }
            }
            result = async { under_way[0].1.as_mut().await }, if !under_way.is_empty() => {
                let (sequence, _) = under_way.pop_front().expect("the first");
                match result {
                    Ok(_) => {
                        feed.acknowledge(sequence);
                        continue;
                    }
                    Err(failure) => failure,
                }
            }
            else => return,
        };
        feed.failed(&failure);
        for (_, future) in under_way.drain(..) {
            let _ = future.await;
        }
        feed.rewind();
        has_ended = false;
        sleep(failure.after().unwrap_or(PAUSE)).await;
    }
}

/// A batch as a spool gives it to an output.
pub fn record(sequence: u64, batch: &Encoded) -> Record {
    Record {
        sequence,
        generation: batch.generation,
        samples: batch.samples,
        checksum: batch.checksum,
        payload: Arc::clone(&batch.payload),
        batch: None,
    }
}

/// What the output asks a spool for.
struct Known {
    instance: InstanceId,
    definitions: Mutex<Vec<Definitions>>,
}

impl Spool for Known {
    fn numberings(&self) -> Vec<Numbering> {
        let (instance, first) = (self.instance, 1);
        vec![Numbering { instance, first }]
    }

    fn replace_instance(&self) -> InstanceId {
        panic!("nobody else has this instance")
    }

    fn append(&self, _: &Arc<Batch>) -> u64 {
        unreachable!("nothing is measured")
    }

    fn committed(&self, _: InstanceId) -> Result<Option<(u64, u32)>, Failure> {
        Ok(None)
    }

    fn on_commit(&self, _: InstanceId) -> watch::Receiver<u64> {
        unreachable!("nobody sends to it")
    }

    /// The server is asked by nobody else, so that what it has is from here.
    fn records_after(&self, sequence: u64, _: usize) -> Result<Vec<Record>, Failure> {
        Ok(vec![Record {
            sequence: sequence.saturating_add(u64::from(u32::MAX)),
            generation: 0,
            samples: 0,
            checksum: 0,
            payload: Arc::default(),
            batch: None,
        }])
    }

    fn definitions(&self, _: u32, from: u32) -> Result<Vec<Definitions>, Failure> {
        let definitions = self.definitions.lock();
        let is_new = |one: &&Definitions| one.first + one.count > from;
        Ok(definitions.iter().filter(is_new).cloned().collect())
    }

    fn keep(&self, _: Duration) {}

    fn reader(&self, _: &str, _: Wake) -> Arc<dyn SpoolReader> {
        unreachable!("nobody reads it")
    }

    fn commit(&self, _: Duration) -> bool {
        true
    }

    fn status(&self) -> SpoolStatus {
        SpoolStatus::default()
    }
}
