//! What all threads of a pipeline share.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::batch::Batch;
use crate::catalog::Catalog;
use crate::spool::SpoolSlot;
use crate::time::{Clock, Monotonic};

use super::element::{ElementCell, ElementKey, ElementKind, ElementState, ElementStatus};
use super::health::WallClock;
use super::ledger::Ledger;
use super::message::{Ingest, Outgoing};
use super::poll::PollThread;
use super::queue::Queue;
use super::runtime::RuntimeSlot;
use super::self_metrics;

/// What all threads and tasks of a pipeline know.
pub(crate) struct Shared {
    pub(crate) catalog: Catalog,
    pub(crate) clock: Arc<dyn Clock>,
    /// Where the grid of all ticks begins.
    pub(crate) origin: Monotonic,
    pub(crate) ledger: Mutex<Ledger>,
    pub(crate) wall_clock: Mutex<WallClock>,
    pub(crate) ingest: Queue<Ingest>,
    pub(crate) runtime: RuntimeSlot,
    pub(crate) spool: SpoolSlot,
    /// Whether outputs are durable that do not say.
    pub(crate) durable_by_default: bool,
    /// The order of the transforms that were there at the start; others come after these.
    pub(crate) transform_order: Vec<ElementKey>,
    /// How many transforms wait, and so want to know how far streams have come without samples. They are counted before
    /// the router has them, so that no poll that follows is missed.
    pub(crate) waiting_transforms: AtomicUsize,
    /// Whether short intervals get a real-time thread.
    pub(crate) real_time_thread: bool,
    pub(crate) elements: Mutex<Vec<Element>>,
    /// What was ended, is not listed any more, and still works.
    pub(crate) leaving: Mutex<Vec<Element>>,
    pub(crate) poll_threads: Mutex<Vec<PollThread>>,
    pub(crate) router: Mutex<Option<Worker>>,
    pub(crate) phase: Mutex<Phase>,
    pub(crate) exchange: Mutex<Exchange>,
    /// Cancelled when somebody asks the program to stop.
    pub(crate) shutdown_requested: CancellationToken,
    /// Cancelled when the last source has ended.
    pub(crate) sources_ended: CancellationToken,
    /// Cancelled when the last output has ended by itself.
    pub(crate) outputs_ended: CancellationToken,
}

/// Whether requests are carried out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not all elements are there yet.
    Starting,
    Running,
    Stopped,
}

/// Elements come and go together: at the start, and as long as somebody holds samples back. What ends meanwhile may have a
/// successor soon.
#[derive(Default)]
pub(crate) struct Exchange {
    /// How many are under way.
    count: usize,
    /// Of which kinds elements have ended since.
    ended: Vec<ElementKind>,
}

/// An element and what is needed to steer it.
pub(crate) struct Element {
    pub(crate) cell: Arc<ElementCell>,
    pub(crate) handle: ElementHandle,
}

pub(crate) enum ElementHandle {
    /// One of the poll threads has it.
    Source,
    EventSource {
        stop: CancellationToken,
        worker: Worker,
    },
    Transform,
    Output {
        queue: Arc<Queue<Outgoing>>,
        worker: Worker,
        /// Whether it takes its batches from the spool.
        is_durable: bool,
        /// How long it lets samples wait for others.
        joins_for: Duration,
    },
}

impl Element {
    /// How long something has waited for it without its finishing anything.
    pub(crate) fn stalled(&self, ledger: &Ledger, now: Monotonic) -> Option<Duration> {
        match &self.handle {
            ElementHandle::Source | ElementHandle::Transform => None,
            ElementHandle::EventSource { .. } => self.cell.stalled(self.cell.tell_done(), now),
            ElementHandle::Output { joins_for, .. } => {
                let account = ledger.outputs.get(self.cell.key())?;
                let done = (account.buffered > 0).then(|| account.finished());
                self.cell.stalled(done, now)?.checked_sub(*joins_for)
            }
        }
    }

    /// How long the work of a source that is polled, or of an output, has been in vain.
    pub(crate) fn in_vain(
        &self,
        status: &ElementStatus,
        ledger: &Ledger,
        now: Monotonic,
    ) -> Option<Duration> {
        match &self.handle {
            ElementHandle::Source => self.cell.in_vain(status.samples, status.calls, now),
            ElementHandle::Output { .. } => {
                let account = ledger.outputs.get(self.cell.key())?;
                self.cell.in_vain(account.delivered, account.dropped_total(), now)
            }
            ElementHandle::EventSource { .. } | ElementHandle::Transform => None,
        }
    }
}

/// A thread or task that can be waited for.
pub(crate) struct Worker {
    /// Disconnected when it has ended.
    pub(crate) ended: Receiver<()>,
    /// `None` for a task.
    pub(crate) thread: Option<JoinHandle<()>>,
}

impl Shared {
    /// Whether anybody wants a batch: it has samples, or says something to a transform that waits.
    pub(crate) fn is_wanted(&self, batch: &Batch) -> bool {
        !batch.is_empty() || batch.progress().is_some() && self.waiting_transforms.load(Ordering::Relaxed) > 0
    }

    /// All elements are there.
    pub(crate) fn started(&self) {
        *self.phase.lock() = Phase::Running;
        self.end_exchange();
    }

    /// Elements come and go from now on.
    pub(crate) fn begin_exchange(&self) {
        self.exchange.lock().count += 1;
    }

    /// All elements that shall be there are.
    pub(crate) fn end_exchange(&self) {
        let mut exchange = self.exchange.lock();
        exchange.count -= 1;
        if exchange.count == 0 {
            let ended = std::mem::take(&mut exchange.ended);
            drop(exchange);
            ended.into_iter().for_each(|kind| self.element_ended(kind));
        }
    }

    /// The queues of all outputs, those that leave included.
    pub(crate) fn output_queues(&self) -> Vec<Arc<Queue<Outgoing>>> {
        let (elements, leaving) = (self.elements.lock(), self.leaving.lock());
        let handles = elements
            .iter()
            .chain(leaving.iter())
            .map(|element| &element.handle);
        let queues = handles.filter_map(|handle| match handle {
            ElementHandle::Output { queue, .. } => Some(Arc::clone(queue)),
            _ => None,
        });
        queues.collect()
    }

    /// Forgets a source that has ended.
    pub(crate) fn source_ended(&self, cell: &Arc<ElementCell>) {
        for list in [&self.elements, &self.leaving] {
            list.lock().retain(|element| !Arc::ptr_eq(&element.cell, cell));
        }
        self.element_ended(ElementKind::Source);
    }

    /// Announces the end of the last source or output, once all are there.
    pub(crate) fn element_ended(&self, kind: ElementKind) {
        let mut exchange = self.exchange.lock();
        if exchange.count > 0 {
            return exchange.ended.push(kind);
        }
        drop(exchange);
        if *self.phase.lock() == Phase::Stopped {
            return;
        }
        let elements = self.elements.lock();
        let mut states = elements
            .iter()
            // The pipeline measures itself as long as it runs, which is no reason to run.
            .filter(|element| {
                element.cell.key().kind == kind && element.cell.key().plugin != self_metrics::PLUGIN
            })
            .map(|element| element.cell.state())
            .peekable();
        // An output that was asked to end, and is not listed any more, has not ended by itself.
        let counts = kind == ElementKind::Source || states.peek().is_some();
        if states.any(|state| state != ElementState::Ended) || !counts {
            return;
        }
        match kind {
            ElementKind::Source => self.sources_ended.cancel(),
            ElementKind::Output => self.outputs_ended.cancel(),
            ElementKind::Transform => {}
        }
    }
}

impl Worker {
    /// Works in a thread of its own.
    pub(crate) fn thread(name: String, work: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let (done, ended) = channel::<()>();
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            let _done = done;
            work();
        })?;
        Ok(Self {
            ended,
            thread: Some(thread),
        })
    }

    /// Works in a task.
    pub(crate) fn task(runtime: &Handle, work: impl Future<Output = ()> + Send + 'static) -> Self {
        let (done, ended) = channel::<()>();
        runtime.spawn(async move {
            let _done = done;
            work.await;
        });
        Self { ended, thread: None }
    }

    /// Stands for a worker that somebody else waits for.
    pub(crate) fn nobody() -> Self {
        Self {
            ended: channel().1,
            thread: None,
        }
    }

    /// Waits until `deadline`; says whether the worker has ended.
    pub(crate) fn wait(&self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        self.ended.recv_timeout(left) == Err(RecvTimeoutError::Disconnected)
    }

    /// Waits until `deadline`; a worker that has not ended then is left to itself and noted.
    pub(crate) fn wait_or_note(self, deadline: Instant, name: &str, stuck: &mut Vec<String>) {
        if !self.wait(deadline) {
            tracing::error!(what = name, "it does not end in time and is left behind");
            stuck.push(name.to_owned());
            return;
        }
        if let Some(thread) = self.thread
            && thread.join().is_err()
        {
            stuck.push(format!("{name} (panicked)"));
        }
    }
}
