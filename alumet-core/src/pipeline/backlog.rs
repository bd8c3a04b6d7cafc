//! What waits in the spool for one output, as the router and the writer see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

use crate::failure::Failure;
use crate::spool::{Gap, Spool, SpoolReader, Spooled};

use super::delivery::Delivery;
use super::message::Outgoing;
use super::queue::{Closed, Queue};

/// The way of an output through the spool.
pub(crate) struct Backlog {
    spool: Arc<dyn Spool>,
    pub(crate) reader: Arc<dyn SpoolReader>,
    /// Whether every batch takes this way, or only those that find no room in memory.
    always: bool,
    /// Whether the next batch takes this way.
    behind: Mutex<bool>,
    bell: Arc<Bell>,
}

/// Tells a writer that something may wait for it.
struct Bell {
    queue: Arc<Queue<Outgoing>>,
    /// Whether the queue has a word for the writer already.
    rung: AtomicBool,
}

impl Bell {
    fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // A closed queue has a writer that looks for itself before it ends.
            let _ = self.queue.push(Outgoing::Spooled);
        }
    }
}

impl Backlog {
    /// How much is read from the spool at once, in bytes.
    pub(crate) const SLICE: usize = 256 << 10;
    /// How long a writer waits until what was appended is on disk before it reads what there is.
    const COMMIT: Duration = Duration::from_secs(2);

    /// The way of the output with that name, whose writer listens to `queue`.
    pub(crate) fn new(
        spool: &Arc<dyn Spool>,
        output: &str,
        always: bool,
        queue: &Arc<Queue<Outgoing>>,
    ) -> Self {
        let bell = Arc::new(Bell {
            queue: Arc::clone(queue),
            rung: AtomicBool::new(false),
        });
        let wake = Arc::clone(&bell);
        let reader = spool.reader(output, Box::new(move || wake.ring()));
        if always {
            reader.follow(true);
        }
        if reader.waiting() > 0 {
            bell.ring();
        }
        Self {
            spool: Arc::clone(spool),
            behind: Mutex::new(reader.is_following()),
            reader,
            always,
            bell,
        }
    }

    /// Whether the next batch takes this way; nothing changes while the guard exists.
    ///
    /// One that finds no room in the queue is the first of those that do.
    pub(crate) fn takes(&self, item: Outgoing) -> Option<MutexGuard<'_, bool>> {
        let mut behind = self.behind.lock();
        if !*behind {
            let Err(Closed(_)) = self.bell.queue.try_push(item) else {
                return None;
            };
            self.reader.follow(true);
            *behind = true;
        }
        Some(behind)
    }

    /// Tells the writer to look again.
    pub(crate) fn announce(&self) {
        self.bell.ring();
    }

    /// The writer has heard it.
    pub(crate) fn heard(&self) {
        self.bell.rung.store(false, Ordering::Release);
    }

    /// Waits until everything that was appended can be read.
    pub(crate) fn settle(&self) {
        // While the disk fails, it can be read without.
        self.spool.commit(Self::COMMIT);
    }

    /// Where the records are.
    pub(crate) const fn spool(&self) -> &Arc<dyn Spool> {
        &self.spool
    }

    /// What comes next.
    pub(crate) fn read(&self) -> Result<Vec<Spooled>, Failure> {
        self.reader.read(Self::SLICE)
    }

    /// Whether every batch takes this way.
    pub(crate) const fn is_always(&self) -> bool {
        self.always
    }

    /// Whether batches could go through memory again as soon as nothing waits.
    pub(crate) fn is_spilled(&self) -> bool {
        !self.always && *self.behind.lock()
    }

    /// Lets batches go through memory again if nothing waits. What waits and cannot be read yet rings when it can.
    pub(crate) fn catch_up(&self) {
        let mut behind = self.behind.lock();
        if *behind && self.reader.waiting() == 0 {
            *behind = false;
            self.reader.follow(false);
        }
    }
}

/// How far a writer has got with its backlog since the spool was told.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// The last record or gap that is done.
    last: Option<u64>,
    /// Samples of records that were not written and are booked already.
    refused: u64,
    /// When the spool was told, or could not be.
    told: Option<Instant>,
    /// Whether it could not be told then.
    put_off: bool,
}

impl Progress {
    /// The spool is told as often as this while much is written: an output may have to wait for its disk each time.
    const PAUSE: Duration = Duration::from_millis(200);

    /// Everything up to `sequence` is done.
    pub(crate) const fn done(&mut self, sequence: u64) {
        self.last = Some(sequence);
    }

    /// Samples are done that were not written.
    pub(crate) const fn refused(&mut self, samples: u64) {
        self.refused += samples;
    }

    /// When the spool is to be told; `None` if there is nothing to tell.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.last?;
        Some(self.told.map_or_else(Instant::now, |told| told + Self::PAUSE))
    }

    /// Whether the spool is to be told now.
    pub(crate) fn is_due(&self) -> bool {
        self.due().is_some_and(|due| due <= Instant::now())
    }

    /// The spool cannot be told now.
    pub(crate) fn put_off(&mut self) {
        self.told = Some(Instant::now());
        self.put_off = true;
    }

    /// Whether there is something to tell, and no failure a moment ago that speaks against it.
    pub(crate) fn may_be_told(&self) -> bool {
        self.last.is_some() && (!self.put_off || self.is_due())
    }

    /// Tells the spool, and the ledger.
    pub(crate) fn tell(&mut self, backlog: &Backlog, position: Option<Vec<u8>>, delivery: &Delivery) {
        let Some(last) = self.last.take() else { return };
        let samples = backlog.reader.acknowledge(last, position);
        let delivered = samples.saturating_sub(std::mem::take(&mut self.refused));
        self.told = Some(Instant::now());
        self.put_off = false;
        delivery.delivered_from_spool(delivered);
    }
}

impl Delivery {
    /// Books samples that are lost.
    pub(crate) fn gap(&self, gap: &Gap) {
        tracing::error!(
            element = %self.cell.key(), samples = gap.samples, reason = gap.reason.name(),
            "samples were lost in the spool"
        );
        self.dropped_from_spool(gap.samples, gap.reason.into());
    }
}
