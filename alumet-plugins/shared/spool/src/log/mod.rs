//! A sequence of opaque records with cursors, in memory and on disk.

mod bells;
mod cursor;
mod eviction;
mod had;
mod job;
mod keeping;
#[cfg(test)]
mod model;
mod origins;
mod reading;
mod state;
mod take_over;
mod wanted;
mod writer;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use alumet_core::spool::{InstanceId, Origin, SpoolStatus};
use alumet_core::time::Clock;
use alumet_shared_batch_encoding::Encoded;
use parking_lot::{Condvar, Mutex};

use crate::config::SpoolConfig;
use crate::disk::Disk;
use crate::record::{Numberings, Unwritten};

use bells::Bells;
use cursor::Cursor;
use state::State;
use writer::Writer;

/// For how long the status tells what is lost: probes see that several times. Not longer, because nobody is led to a server that
/// is not ready, nor are the agents that could give it back.
const LOSS_IS_TOLD: Duration = Duration::from_secs(60);

/// A sequence of opaque records with cursors, in memory and on disk: what its readers and the thread that writes have in
/// common.
///
/// Whoever needs both locks takes `disk` first.
pub(crate) struct Log {
    config: SpoolConfig,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) state: Mutex<State>,
    /// The open file, if there is one at the moment.
    disk: Mutex<Option<Disk>>,
    /// Wakes the thread that writes.
    work: Condvar,
    /// Wakes those who wait for a transaction.
    done: Condvar,
    /// Tells readers that there may be more.
    pub(crate) bells: Bells,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Log {
    /// Opens the file, or begins in memory if that is not possible.
    pub(crate) fn open(config: SpoolConfig, clock: Arc<dyn Clock>) -> Arc<Self> {
        let (log, writer) = Self::with_writer(config, clock);
        let thread = std::thread::Builder::new().name("spool".to_owned());
        match thread.spawn(move || writer.run()) {
            Ok(thread) => *log.writer.lock() = Some(thread),
            Err(error) => {
                tracing::error!(error = %error, "cannot start the thread of the spool: it works in memory only");
                let mut state = log.state.lock();
                state.fault = Some(format!(
                    "cannot start a thread: {error}; raise the limit of processes"
                ));
                state.signals.stopped = true;
            }
        }
        log
    }

    /// The same with what the thread that writes does, which is not started.
    fn with_writer(config: SpoolConfig, clock: Arc<dyn Clock>) -> (Arc<Self>, Writer) {
        let has_path = config.path.is_some();
        let state = State::new(random_instance(clock.as_ref()), config.memory_bytes, has_path);
        let log = Arc::new(Self {
            config,
            clock,
            state: Mutex::new(state),
            disk: Mutex::new(None),
            work: Condvar::new(),
            done: Condvar::new(),
            bells: Bells::default(),
            writer: Mutex::default(),
        });
        let mut writer = Writer::new(Arc::clone(&log));
        writer.open_first();
        (log, writer)
    }

    /// Writes what is left, and ends the thread that writes.
    pub(crate) fn close(&self) {
        self.state.lock().signals.stop = true;
        self.work.notify_one();
        if let Some(writer) = self.writer.lock().take()
            && writer.join().is_err()
        {
            tracing::error!("the thread of the spool has panicked: what was not committed is lost");
        }
    }

    /// Appends a record, unless nobody follows, and gives its number. `None` only notes the origin.
    pub(crate) fn append(&self, encoded: Option<Encoded>, origin: Option<Origin>) -> u64 {
        let now = self.clock.now().wall;
        let has_record = encoded.is_some();
        let mut state = self.state.lock();
        if let Some(mut encoded) = encoded {
            if let Some(definitions) = encoded.definitions.take() {
                state.define(definitions);
            }
            match state.cursors.is_empty() {
                true => state.skip(encoded.samples),
                false => state.append(encoded, origin, now),
            }
        }
        if let Some(origin) = origin {
            state.note_origin(origin, has_record, now);
        }
        self.wake_writer(&mut state);
        let (sequence, is_on_disk) = (state.head.sequence, state.is_on_disk());
        drop(state);
        if !is_on_disk {
            // Otherwise it can be read when it is committed.
            self.bells.ring();
        }
        sequence
    }

    /// Waits until everything up to now is on disk, or needs not be there; says whether it is.
    pub(crate) fn commit(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout.min(Duration::from_secs(365 * 24 * 60 * 60));
        let mut state = self.state.lock();
        let target = state.changes;
        loop {
            if !state.has_path {
                return state.nothing_waits();
            }
            if state.committed_changes >= target {
                return true;
            }
            if state.signals.stopped {
                return false;
            }
            state.signals.awaited = state.signals.awaited.max(target);
            self.work.notify_one();
            if self.done.wait_until(&mut state, deadline).timed_out() {
                return state.committed_changes >= target;
            }
        }
    }

    pub(crate) fn status(&self) -> SpoolStatus {
        let now = self.clock.now().monotonic;
        let state = self.state.lock();
        let lost = state.lost.as_ref();
        SpoolStatus {
            path: self.config.path.clone(),
            bytes: state.head.bytes.saturating_sub(state.start.bytes),
            records: state.head.records.saturating_sub(state.start.records),
            samples: state.head.samples.saturating_sub(state.start.samples),
            uncommitted_samples: state.uncommitted_samples(),
            memory_bytes: state.memory_bytes as u64,
            oldest: state.oldest().and_then(|oldest| Some(oldest.time?.0)),
            fault: state.fault.clone(),
            lost: lost
                .filter(|(at, _)| now.since(*at) < LOSS_IS_TOLD)
                .map(|(_, what)| what.clone()),
        }
    }

    /// Counts everything under a new random identity.
    pub(crate) fn replace_instance(&self) -> InstanceId {
        let instance = random_instance(self.clock.as_ref());
        let mut state = self.state.lock();
        // A server that has what is kept would take it for lost.
        let start = state.start;
        state.keeping.let_go(start);
        state.numberings = Numberings::of(instance, start);
        state.unwritten.numberings = true;
        state.changes += 1;
        self.wake_writer(&mut state);
        instance
    }

    /// Lets the thread that writes know of a change.
    fn wake_writer(&self, state: &mut State) {
        if !state.has_path {
            // Without a file, nothing will ever be written.
            state.unwritten = Unwritten::default();
        }
        self.work.notify_one();
    }
}

/// 16 random bytes; from the time and the process if the system has none.
fn random_instance(clock: &dyn Clock) -> InstanceId {
    let mut bytes = [0; 16];
    if let Err(error) = getrandom::fill(&mut bytes) {
        tracing::warn!(error = %error, "the system gives no random bytes: the identity of the spool is made from the time");
        let now = clock.now();
        bytes[..8].copy_from_slice(&now.wall.as_nanos().to_le_bytes());
        bytes[8..].copy_from_slice(&now.monotonic.as_nanos().to_le_bytes());
        bytes[12..].copy_from_slice(&std::process::id().to_le_bytes());
    }
    InstanceId(bytes)
}
