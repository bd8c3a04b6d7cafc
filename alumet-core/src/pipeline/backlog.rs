//! What waits in the spool for one output, as the router and the writer see it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::batch::Batch;
use crate::failure::{Failure, Remedy};
use crate::output::OutputFilter;
use crate::spool::{Gap, Record, Spool, SpoolReader, Spooled};

use super::message::Outgoing;
use super::queue::Queue;
use super::supervise::guard;

/// The way of an output through the spool.
pub(crate) struct Backlog {
    spool: Arc<dyn Spool>,
    pub(crate) reader: Arc<dyn SpoolReader>,
    /// Whether the output takes records as they are.
    encoded: bool,
    /// What the output does not get.
    filter: Option<OutputFilter>,
    /// How many samples of earlier runs are still to be loaded.
    recovered: AtomicU64,
    pub(crate) bell: Arc<Bell>,
    /// What was read and is not decoded: too much at once, or it cannot be before the disk is back.
    undecoded: Mutex<VecDeque<Spooled>>,
}

/// What comes next for an output.
pub(crate) enum Loaded {
    Batch {
        sequence: u64,
        batch: Arc<Batch>,
        /// How many more samples the record has, which the output does not get.
        left_out: u64,
        /// Whether it is of an earlier run.
        is_recovered: bool,
    },
    Encoded(Spooled),
    Gap(Gap),
    /// A record that cannot be decoded, now or later.
    Damaged {
        record: Record,
        failure: Failure,
    },
}

impl Loaded {
    /// How many samples are in the spool for it, or were.
    fn samples(&self) -> u64 {
        match self {
            Self::Batch { batch, left_out, .. } => batch.len() as u64 + left_out,
            Self::Encoded(Spooled::Record(record)) | Self::Damaged { record, .. } => record.samples.into(),
            Self::Encoded(Spooled::Gap(gap)) | Self::Gap(gap) => gap.samples,
        }
    }
}

/// Tells a writer that something may wait for it.
pub(crate) struct Bell {
    queue: Arc<Queue<Outgoing>>,
    /// Whether the queue has a word for the writer already.
    rung: AtomicBool,
}

impl Bell {
    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // A closed queue has a writer that looks for itself before it ends.
            let _ = self.queue.push(Outgoing::Spooled);
        }
    }

    /// The writer has heard it.
    pub(crate) fn heard(&self) {
        self.rung.store(false, Ordering::Release);
    }
}

impl Backlog {
    /// How much is read from the spool at once, in bytes.
    const SLICE: usize = 256 << 10;
    /// How many samples of that are decoded at once: a few bytes can be thousands that are alike.
    const SAMPLES: u64 = 2 * Batch::LARGEST as u64;
    /// How long a writer waits until what was appended is on disk before it reads what there is.
    const COMMIT: Duration = Duration::from_secs(2);

    /// The way of the output with that name, whose writer listens to `queue`.
    pub(crate) fn new(
        spool: &Arc<dyn Spool>,
        output: &str,
        encoded: bool,
        queue: &Arc<Queue<Outgoing>>,
        filter: Option<OutputFilter>,
    ) -> Self {
        let bell = Arc::new(Bell {
            queue: Arc::clone(queue),
            rung: AtomicBool::new(false),
        });
        let wake = Arc::clone(&bell);
        let reader = spool.reader(output, Box::new(move || wake.ring()));
        if reader.waiting() > 0 {
            bell.ring();
        }
        Self {
            spool: Arc::clone(spool),
            recovered: reader.waiting().into(),
            reader,
            encoded,
            filter,
            bell,
            undecoded: Mutex::default(),
        }
    }

    /// What comes next; nothing if nothing waits. May read the disk. `all`: what was appended and is not on disk yet is
    /// waited for.
    ///
    /// # Errors
    /// When the disk cannot be read at the moment.
    pub(crate) fn load(&self, all: bool) -> Result<Vec<Loaded>, Failure> {
        let mut items = std::mem::take(&mut *self.undecoded.lock());
        if items.is_empty() {
            if all {
                // While the disk fails, it can be read without.
                self.spool.commit(Self::COMMIT);
            }
            items = self.reader.read(Self::SLICE)?.into();
        }
        let mut loaded = Vec::new();
        let mut samples = 0;
        while samples < Self::SAMPLES
            && let Some(item) = items.pop_front()
        {
            let result = match item {
                Spooled::Record(mut record) if self.encoded => {
                    // Its samples are not needed, and would keep the slots of their series while it is delivered.
                    record.batch = None;
                    Ok(Loaded::Encoded(Spooled::Record(record)))
                }
                item @ Spooled::Gap(_) if self.encoded => Ok(Loaded::Encoded(item)),
                Spooled::Gap(gap) => Ok(Loaded::Gap(gap)),
                Spooled::Record(record) => self.decode(record),
            };
            match result {
                Ok(item) => {
                    let left = self
                        .recovered
                        .load(Ordering::Relaxed)
                        .saturating_sub(item.samples());
                    self.recovered.store(left, Ordering::Relaxed);
                    if let Loaded::Batch { batch, .. } = &item {
                        samples += batch.len() as u64;
                    }
                    loaded.push(item);
                }
                Err((record, failure)) => {
                    items.push_front(Spooled::Record(record));
                    *self.undecoded.lock() = items;
                    return if loaded.is_empty() {
                        Err(failure)
                    } else {
                        Ok(loaded)
                    };
                }
            }
        }
        *self.undecoded.lock() = items;
        Ok(loaded)
    }

    /// The samples of a record; the record comes back if its definitions cannot be read now.
    fn decode(&self, mut record: Record) -> Result<Loaded, (Record, Failure)> {
        let sequence = record.sequence;
        let result = match record.batch.take() {
            Some(batch) => Ok(batch),
            // What makes the decoder panic will do so again.
            None => guard(|| self.reader.batch(&record)),
        };
        match result {
            Ok(batch) => {
                let before = batch.len();
                let batch = match &self.filter {
                    Some(filter) => filter.apply(batch),
                    None => batch,
                };
                Ok(Loaded::Batch {
                    sequence,
                    left_out: (before - batch.len()) as u64,
                    batch,
                    is_recovered: self.recovered.load(Ordering::Relaxed) > 0,
                })
            }
            Err(failure) if failure.remedy() == Remedy::Retry => Err((record, failure)),
            Err(failure) => Ok(Loaded::Damaged { record, failure }),
        }
    }
}
