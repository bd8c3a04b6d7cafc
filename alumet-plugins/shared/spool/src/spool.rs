//! The spool as the engine sees it.

use std::sync::Arc;
use std::time::Duration;

use alumet_core::batch::Batch;
use alumet_core::catalog::Catalog;
use alumet_core::failure::Failure;
use alumet_core::spool::{
    Claim, Definitions, InstanceId, Numbering, Record, Spool, SpoolReader, SpoolStatus, Wake, Wanted,
};
use alumet_core::time::{Clock, SystemClock};
use alumet_shared_batch_encoding::Encoder;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::config::SpoolConfig;
use crate::dictionary::Dictionary;
use crate::log::Log;
use crate::reader::Reader;
use crate::recent::Recent;

/// Batches that wait, in one SQLite file or in memory, until every output that follows has written them.
///
/// All of it goes to disk in the background, one transaction at a time; nothing that appends waits for that. Dropping
/// the spool writes what is left.
///
/// What readers can rely on beyond the contract:
///
/// - `waiting` counts lost samples too, until they are acknowledged.
/// - `acknowledge` does not count the samples of a gap that the reader was given; these are known from the gap. It may
///   name any number, given or not, for instance the one that a server says it has; what was lost before the reader
///   was told counts as done then.
/// - The successor of a reader is given again what that was given and is not done with, gaps included.
/// - `position` is what came with the last acknowledgement, committed or not, for that is from where `read` goes on.
/// - Numbers are never used twice, also not for records that a crash has taken: after a crash the count goes on a
///   million later, and what is left out is no gap.
pub struct DiskSpool {
    encoder: Mutex<Encoder>,
    batches: Arc<Batches>,
    log: Arc<Log>,
}

/// What the readers need to turn records back into batches.
pub(crate) struct Batches {
    pub(crate) recent: Mutex<Recent>,
    pub(crate) dictionary: Dictionary,
}

impl Batches {
    /// Lets go of what no reader needs.
    pub(crate) fn forget(&self, log: &Log) {
        let (start, is_drained) = {
            let state = log.state.lock();
            (state.start.sequence, state.nothing_waits())
        };
        self.recent.lock().forget(start);
        if is_drained {
            self.dictionary.forget(log);
        }
    }
}

impl DiskSpool {
    /// Opens the spool. Never fails: a file that is damaged, foreign, of a newer version or from another machine is set
    /// aside as `<name>.<reason>-<seconds since 1970>`, what can be read of a damaged one is kept, and a new file is
    /// begun. If the disk cannot be used, the spool works in memory, its status says why, and it moves to the disk as
    /// soon as that works.
    pub fn open(config: SpoolConfig, catalog: Catalog) -> Arc<Self> {
        Self::open_at(config, catalog, Arc::new(SystemClock))
    }

    /// Opens the spool with the clock that says how old a record is.
    pub fn open_at(config: SpoolConfig, catalog: Catalog, clock: Arc<dyn Clock>) -> Arc<Self> {
        let log = Log::open(config, clock);
        let generation = log.state.lock().generation;
        Arc::new(Self {
            encoder: Mutex::new(Encoder::new(generation)),
            batches: Arc::new(Batches {
                recent: Mutex::default(),
                dictionary: Dictionary::new(catalog),
            }),
            log,
        })
    }
}

impl Drop for DiskSpool {
    fn drop(&mut self) {
        self.log.close();
    }
}

impl Spool for DiskSpool {
    fn numberings(&self) -> Vec<Numbering> {
        let state = self.log.state.lock();
        state.numberings.all().map(Numbering::from).collect()
    }

    fn replace_instance(&self) -> InstanceId {
        self.log.replace_instance()
    }

    /// On disk. While the disk fails, nothing is: what is in memory only is not safe, even if an output has written it, for
    /// the output goes back to its last position on disk after a crash. Where there shall be no disk at all, written by
    /// every output.
    fn committed(&self, sender: InstanceId) -> Result<Option<(u64, u32)>, Failure> {
        let state = self.log.state.lock();
        state.known()?;
        let mark = state.origins.committed(sender);
        Ok(mark.map(|mark| (mark.sequence, mark.checksum)))
    }

    /// 0 for a sender that is not known.
    fn on_commit(&self, sender: InstanceId) -> watch::Receiver<u64> {
        self.log.state.lock().origins.watch(sender)
    }

    fn wanted(&self, sender: InstanceId) -> Wanted {
        let now = self.log.clock.now().wall;
        self.log.state.lock().wanted.of(sender, now)
    }

    fn claim(&self, sender: InstanceId, sequence: u64) -> Claim {
        self.log.state.lock().wanted.claim(sender, sequence)
    }

    fn append(&self, batch: &Arc<Batch>) -> u64 {
        if batch.is_empty() {
            return self.log.append(None, batch.origin());
        }
        // Held until the record has its number, so that definitions come before the records that need them.
        let mut encoder = self.encoder.lock();
        let encoded = encoder.encode(batch);
        // Held until the batch is there: a reader that is told of the record at once would decode it.
        let mut recent = self.batches.recent.lock();
        let sequence = self.log.append(Some(encoded), batch.origin());
        recent.push(sequence, Arc::clone(batch));
        recent.forget(self.log.state.lock().start.sequence);
        sequence
    }

    fn keep(&self, age: Duration) {
        let keeping = &mut self.log.state.lock().keeping;
        keeping.age = keeping.age.max(age);
    }

    fn records_after(&self, sequence: u64, bytes: usize) -> Result<Vec<Record>, Failure> {
        self.log.records_after(sequence, bytes)
    }

    fn definitions(&self, generation: u32, from: u32) -> Result<Vec<Definitions>, Failure> {
        self.log.definitions(generation, from)
    }

    fn reader(&self, output: &str, wake: Wake) -> Arc<dyn SpoolReader> {
        let log = Arc::clone(&self.log);
        Arc::new(Reader::new(output, wake, log, Arc::clone(&self.batches)))
    }

    fn commit(&self, timeout: Duration) -> bool {
        self.log.commit(timeout)
    }

    fn status(&self) -> SpoolStatus {
        self.log.status()
    }
}
