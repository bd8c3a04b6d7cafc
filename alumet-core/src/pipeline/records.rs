//! Stream outputs: tasks that take encoded batches from the spool at their own pace.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::failure::{Failure, Remedy};
use crate::output::StreamOutput;
use crate::spool::{Definitions, Gap, InstanceId, Record, Spool, Spooled};

use super::backlog::Backlog;
use super::delivery::Delivery;
use super::ledger::DropReason;
use super::message::Outgoing;
use super::queue::Queue;
use super::shared::Worker;
use super::supervise::{Backoff, guard_async, log_failure, log_recovery, state_after};

/// The records that wait for a stream output.
pub struct Records {
    backlog: Arc<Backlog>,
    queue: Arc<Queue<Outgoing>>,
    delivery: Delivery,
    /// What was read and not given yet.
    ready: VecDeque<Spooled>,
    /// What was given and is booked as lost when it is acknowledged: it may come again before.
    gaps: Mutex<VecDeque<Gap>>,
    /// Whether all that ever comes was on disk when the spool was looked at last.
    is_settled: bool,
    /// A look into the spool that is under way.
    reading: Option<JoinHandle<Result<Vec<Spooled>, Failure>>>,
}

impl Records {
    /// The next record or gap, waiting for it; `None` when everything was given and nothing comes any more.
    ///
    /// Nothing is lost when the future is dropped before it is ready.
    ///
    /// # Errors
    /// When the spool cannot be read at the moment.
    pub async fn next(&mut self) -> Result<Option<Spooled>, Failure> {
        loop {
            self.queue.resumed().await;
            if let Some(item) = self.ready.pop_front() {
                if let Spooled::Gap(gap) = &item {
                    self.gaps.lock().push_back(*gap);
                }
                return Ok(Some(item));
            }
            self.backlog.heard();
            let closed = self.queue.is_closed();
            let items = self.read().await?;
            if !items.is_empty() {
                self.ready.extend(items);
                continue;
            }
            if closed && self.is_settled {
                return Ok(None);
            }
            if closed {
                // The last ones may be on their way to the disk.
                let backlog = Arc::clone(&self.backlog);
                tokio::task::spawn_blocking(move || backlog.settle()).await?;
                self.is_settled = true;
                continue;
            }
            // A request to flush is granted when everything before it was given; who waits for more asks for the status.
            drop(self.queue.pop_async().await);
        }
    }

    async fn read(&mut self) -> Result<Vec<Spooled>, Failure> {
        let backlog = &self.backlog;
        let reading = self.reading.get_or_insert_with(|| {
            let backlog = Arc::clone(backlog);
            tokio::task::spawn_blocking(move || backlog.read())
        });
        let result = reading.await;
        self.reading = None;
        result?
    }

    /// The definitions of a generation from number `from` on, in their order.
    ///
    /// # Errors
    /// When the spool cannot be read at the moment.
    pub fn definitions(&self, generation: u32, from: u32) -> Result<Vec<Definitions>, Failure> {
        self.backlog.reader.definitions(generation, from)
    }

    /// Everything up to `sequence` is where it should go.
    pub fn acknowledge(&self, sequence: u64) {
        self.book_gaps(sequence);
        let samples = self.backlog.reader.acknowledge(sequence, None);
        if samples > 0 {
            self.delivery.delivered_from_spool(samples);
            if self.delivery.cell.succeeded(samples, Duration::ZERO) {
                log_recovery(self.delivery.cell.key());
            }
        }
    }

    fn book_gaps(&self, sequence: u64) {
        let mut gaps = self.gaps.lock();
        while let Some(gap) = gaps.front().copied().filter(|gap| gap.last <= sequence) {
            self.delivery.gap(&gap);
            gaps.pop_front();
        }
    }

    /// A record that can never be sent is dropped and booked; everything before it must be acknowledged.
    pub fn reject(&self, record: &Record) {
        self.book_gaps(record.sequence);
        self.delivery
            .dropped_from_spool(u64::from(record.samples), DropReason::Rejected);
        self.backlog.reader.acknowledge(record.sequence, None);
    }

    /// Gives everything again that is not acknowledged.
    pub async fn rewind(&mut self) {
        // What is being read would come twice.
        if let Some(reading) = self.reading.take() {
            let _ = reading.await;
        }
        self.ready.clear();
        self.gaps.lock().clear();
        self.backlog.reader.rewind();
    }

    /// How many samples are not acknowledged.
    pub fn waiting(&self) -> u64 {
        self.backlog.reader.waiting()
    }

    /// Whether nothing new comes, because the pipeline is about to end.
    pub fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// The identity of the spool.
    pub fn instance(&self) -> InstanceId {
        self.spool().instance()
    }

    /// Where the records wait.
    pub fn spool(&self) -> &Arc<dyn Spool> {
        self.backlog.spool()
    }

    /// Tells everybody that the output cannot deliver at the moment, without ending it.
    pub fn failed(&self, failure: &Failure) {
        self.delivery.failed(failure, Duration::ZERO);
    }

    /// Tells everybody that the output can deliver again.
    pub fn recovered(&self) {
        if self.delivery.cell.succeeded(0, Duration::ZERO) {
            log_recovery(self.delivery.cell.key());
        }
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Records({} samples wait)", self.waiting())
    }
}

/// Runs a stream output until it has nothing more to do; after a failure it is run again.
pub(crate) fn spawn(
    mut output: Box<dyn StreamOutput>,
    queue: Arc<Queue<Outgoing>>,
    delivery: Delivery,
    backlog: Arc<Backlog>,
    runtime: &Handle,
) -> Worker {
    let (done, ended) = channel();
    runtime.spawn(async move {
        let _done: Sender<()> = done;
        let stop = CancellationToken::new();
        let mut records = Records {
            backlog,
            queue: Arc::clone(&queue),
            delivery,
            ready: VecDeque::new(),
            gaps: Mutex::default(),
            is_settled: false,
            reading: None,
        };
        let time_is_over = async {
            queue.abandoned().await;
            stop.cancel();
        };
        let reason = tokio::select! {
            reason = run(&mut *output, &mut records, &stop) => reason,
            // Until it is abandoned, the branch above decides; afterwards, the output has to end by itself.
            () = async { time_is_over.await; std::future::pending::<()>().await } => DropReason::Shutdown,
        };
        queue.abandon();
        if reason == DropReason::OutputEnded {
            records.backlog.reader.follow(false);
            records.delivery.forget_spooled(reason);
        }
        drop(output);
        records.delivery.ended(reason);
    });
    Worker { ended, thread: None }
}

async fn run(output: &mut dyn StreamOutput, records: &mut Records, stop: &CancellationToken) -> DropReason {
    loop {
        let result = guard_async(output.run(records, stop.clone())).await;
        let Err(failure) = result else {
            return if records.is_closed() {
                DropReason::Shutdown
            } else {
                DropReason::OutputEnded
            };
        };
        let remedy = failure.remedy();
        let cell = &records.delivery.cell;
        let in_a_row = cell.failed(state_after(remedy), &failure.to_string(), 0, Duration::ZERO);
        log_failure(cell.key(), &failure, in_a_row);
        if remedy == Remedy::End {
            return DropReason::OutputEnded;
        }
        if records.is_closed() || records.queue.sleep_async(Backoff::WRITE.after(in_a_row)).await {
            return DropReason::Shutdown;
        }
        records.rewind().await;
    }
}
