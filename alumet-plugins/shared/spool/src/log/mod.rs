//! A sequence of opaque records with cursors, in memory and on disk.

mod bells;
mod cursor;
mod entry;
mod eviction;
mod job;
mod loss;
mod origins;
mod reading;
mod state;
mod take_over;
mod writer;

use std::sync::Arc;
use std::time::{Duration, Instant};

use alumet_core::spool::{Definitions, InstanceId, Origin, SpoolStatus};
use alumet_core::time::Clock;
use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use crate::config::SpoolConfig;
use crate::disk::Disk;

pub(crate) use bells::{Bell, Bells};
pub(crate) use cursor::Cursor;
pub(crate) use entry::{Entry, Mark, PAGE_SIZE};
pub(crate) use job::{Job, Leftover};
pub(crate) use loss::Loss;
pub(crate) use origins::Watermark;
pub(crate) use reading::Next;
pub(crate) use state::NewEntry;
use state::State;
use writer::Writer;

/// A sequence of opaque records with cursors, in memory and on disk. Dropping it writes what is left.
pub(crate) struct Log {
    shared: Arc<Shared>,
    writer: Option<std::thread::JoinHandle<()>>,
}

/// What the log, its readers and the thread that writes have in common.
///
/// Whoever needs both locks takes `disk` first.
pub(crate) struct Shared {
    pub(crate) config: SpoolConfig,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// The open file, if there is one at the moment.
    disk: Mutex<Option<Disk>>,
    /// Wakes the thread that writes.
    work: Condvar,
    /// Wakes those who wait for a transaction.
    done: Condvar,
    /// Tells readers that there may be more.
    pub(crate) bells: Bells,
}

impl Log {
    /// Opens the file, or begins in memory if that is not possible.
    pub(crate) fn open(config: SpoolConfig, clock: Arc<dyn Clock>) -> Self {
        let has_path = config.path.is_some();
        let state = State::new(random_instance(clock.as_ref()), config.memory_bytes, has_path);
        let shared = Arc::new(Shared {
            config,
            clock,
            state: Mutex::new(state),
            disk: Mutex::new(None),
            work: Condvar::new(),
            done: Condvar::new(),
            bells: Bells::default(),
        });
        let mut writer = Writer::new(Arc::clone(&shared));
        writer.open_first();
        let thread = std::thread::Builder::new().name("spool".to_owned());
        let writer = match thread.spawn(move || writer.run()) {
            Ok(thread) => Some(thread),
            Err(error) => {
                tracing::error!(error = %error, "cannot start the thread of the spool: it works in memory only");
                let mut state = shared.state.lock();
                state.fault = Some(format!(
                    "cannot start a thread: {error}; raise the limit of processes"
                ));
                state.signals.stopped = true;
                None
            }
        };
        Self { shared, writer }
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The dictionary with which new records begin.
    pub(crate) fn generation(&self) -> u32 {
        self.shared.state.lock().generation
    }

    /// Appends a record, unless nobody follows, and gives its number. `None` only notes the origin.
    pub(crate) fn append(
        &self,
        entry: Option<NewEntry>,
        definitions: Option<Definitions>,
        origin: Option<Origin>,
    ) -> u64 {
        let now = self.shared.clock.now().wall;
        let mut state = self.shared.state.lock();
        if let Some(definitions) = definitions {
            state.define(definitions);
        }
        match entry {
            Some(entry) if state.has_followers() => state.append(entry, now),
            Some(entry) => state.skip(entry.samples),
            None => state.head.sequence,
        };
        if let Some(origin) = origin {
            state.note_origin(origin, now);
        }
        self.shared.wake_writer(&mut state);
        let (sequence, is_on_disk) = (state.head.sequence, state.is_on_disk());
        drop(state);
        if !is_on_disk {
            // Otherwise it can be read when it is committed.
            self.shared.bells.ring();
        }
        sequence
    }

    /// Waits until everything up to now is on disk, or needs not be there; says whether it is.
    pub(crate) fn commit(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout.min(Duration::from_secs(365 * 24 * 60 * 60));
        let mut state = self.shared.state.lock();
        let target = state.changes;
        loop {
            let nothing_waits = state.head.samples == state.start.samples;
            if !state.has_path {
                return nothing_waits;
            }
            if state.committed_changes >= target {
                return true;
            }
            if state.signals.stopped {
                return false;
            }
            state.signals.awaited = state.signals.awaited.max(target);
            self.shared.work.notify_one();
            if self.shared.done.wait_until(&mut state, deadline).timed_out() {
                return state.committed_changes >= target;
            }
        }
    }

    pub(crate) fn status(&self) -> SpoolStatus {
        let state = self.shared.state.lock();
        let oldest = state.oldest.filter(|(start, ..)| *start == state.start.sequence);
        let in_tail = state
            .tail
            .front()
            .filter(|entry| entry.begin().sequence <= state.start.sequence);
        SpoolStatus {
            path: self.shared.config.path.clone(),
            bytes: state.head.bytes.saturating_sub(state.start.bytes),
            records: state.head.records.saturating_sub(state.start.records),
            samples: state.head.samples.saturating_sub(state.start.samples),
            uncommitted_samples: state.uncommitted_samples(),
            memory_bytes: state.memory_bytes as u64,
            oldest: match in_tail {
                Some(entry) => entry.time.map(|(first, _)| first),
                None => oldest.and_then(|(_, _, first)| first),
            },
            fault: state.fault.clone(),
        }
    }

    pub(crate) fn instance(&self) -> InstanceId {
        self.shared.state.lock().instance
    }

    /// Takes a new random identity.
    pub(crate) fn replace_instance(&self) -> InstanceId {
        let instance = random_instance(self.shared.clock.as_ref());
        let mut state = self.shared.state.lock();
        state.instance = instance;
        state.unwritten.instance = true;
        state.changes += 1;
        self.shared.wake_writer(&mut state);
        instance
    }

    pub(crate) fn committed(&self, instance: InstanceId) -> Option<Watermark> {
        self.shared.state.lock().origins.committed(instance)
    }

    pub(crate) fn watch(&self, instance: InstanceId) -> watch::Receiver<u64> {
        self.shared.state.lock().origins.watch(instance)
    }

    pub(crate) fn note(&self, key: &str, value: &[u8]) {
        let mut state = self.shared.state.lock();
        state.notes.insert(key.to_owned(), value.to_owned());
        state.unwritten.notes.insert(key.to_owned());
        state.changes += 1;
        self.shared.wake_writer(&mut state);
    }

    pub(crate) fn noted(&self, key: &str) -> Option<Vec<u8>> {
        self.shared.state.lock().notes.get(key).cloned()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.shared.state.lock().signals.stop = true;
        self.shared.work.notify_one();
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the thread of the spool has panicked: what was not committed is lost");
        }
    }
}

impl Shared {
    /// Lets the thread that writes know of a change.
    fn wake_writer(&self, state: &mut State) {
        if !state.has_path {
            state.forget_unwritten();
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
