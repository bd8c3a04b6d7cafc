//! The thread that writes: one transaction for all that has come since the last.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alumet_shared_sqlite_file::DiskError;
use parking_lot::MutexGuard;

use super::Log;
use super::state::State;
use crate::disk::{Disk, Place, set_aside};
use crate::machine;
use crate::record::{Job, Outcome};

/// The thread that writes.
pub(super) struct Writer {
    shared: Arc<Log>,
    /// Whether the identity is in a file.
    begun: bool,
    /// When it is said which outputs have not shown up, if that is still to be said.
    strangers: Option<Instant>,
    last_turn: Option<Instant>,
    /// After a failure: when to try again, and how long to wait after the next one.
    retry: Option<Instant>,
    pause: Duration,
    last_salvage: Option<Instant>,
}

impl Writer {
    /// An output that has not shown up after this time does not exist any more.
    const STRANGER: Duration = Duration::from_secs(60);
    /// A file is not copied again because of damage before this time has passed.
    const SALVAGE_PAUSE: Duration = Duration::from_secs(60);
    const FIRST_ATTEMPTS: u32 = 6;
    const LARGEST_PAUSE_FACTOR: u32 = 30;

    pub(super) fn new(shared: Arc<Log>) -> Self {
        let pause = shared.config.retry_interval;
        Self {
            shared,
            begun: false,
            strangers: Some(Instant::now() + Self::STRANGER),
            last_turn: None,
            retry: None,
            pause,
            last_salvage: None,
        }
    }

    /// Opens the file before anything is appended.
    pub(super) fn open_first(&mut self) {
        let shared = Arc::clone(&self.shared);
        let mut newest = 0;
        if shared.config.path.is_some() {
            // With a few attempts: what happens for a moment only, such as the last program still being about to end,
            // shall not separate the backlog from what comes.
            let mut connected = self.connect(false);
            for _ in 1..Self::FIRST_ATTEMPTS {
                if connected.is_err() {
                    std::thread::sleep(shared.config.retry_interval / 10);
                    connected = self.connect(false);
                }
            }
            match connected {
                Ok(opened) => *shared.disk.lock() = Some(opened),
                Err(error) => {
                    self.failed(&error);
                    let path = shared.config.path.as_deref();
                    let is_there = |path: &Path| match path.metadata() {
                        Ok(metadata) => metadata.is_file() && metadata.len() > 0,
                        Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
                    };
                    if path.is_some_and(is_there) {
                        shared.state.lock().begin_unknown(shared.clock.now().wall);
                    }
                    // Later than all dictionaries that a file may have, for the time when there is one again.
                    let seconds = shared.clock.now().wall.as_nanos() / 1_000_000_000;
                    newest = u32::try_from(seconds).unwrap_or(1 << 31);
                }
            }
        }
        shared.state.lock().begin_after(newest);
    }

    /// Writes until the spool is closed.
    pub(super) fn run(mut self) {
        loop {
            let last = self.wait();
            // From begin to begin: a slow disk sets the pace by itself.
            self.last_turn = Some(Instant::now());
            self.turn(last);
            if last {
                break;
            }
        }
        *self.shared.disk.lock() = None;
        self.shared.state.lock().signals.stopped = true;
        self.shared.done.notify_all();
    }

    /// Sleeps until there is something to do; says whether it is the last.
    fn wait(&self) -> bool {
        let mut state = self.shared.state.lock();
        loop {
            if state.signals.stop {
                return true;
            }
            match self.next_turn(&state) {
                Some(at) if at <= Instant::now() => return false,
                Some(at) => {
                    self.shared.work.wait_until(&mut state, at);
                }
                None => self.shared.work.wait(&mut state),
            }
        }
    }

    fn next_turn(&self, state: &MutexGuard<'_, State>) -> Option<Instant> {
        let now = Instant::now();
        let paced = self
            .last_turn
            .map_or(now, |last| last + self.shared.config.commit_interval);
        let work = match self.retry {
            _ if !state.has_path => None,
            Some(retry) => Some(retry),
            None if state.has_work() && state.is_urgent() => Some(now),
            None if state.has_work() => Some(paced),
            None => None,
        };
        let expiry = self.shared.time_to_expiry(state).and_then(|left| {
            // Not more often than it matters.
            let least =
                (self.shared.config.max_age / 100).clamp(Duration::from_millis(10), Duration::from_secs(60));
            let earliest = self.last_turn.map_or(now, |last| last + least);
            now.checked_add(left).map(|at| at.max(earliest))
        });
        [work, expiry].into_iter().flatten().min()
    }

    /// Opens the file if it is not open, evicts what must go and writes what has come.
    fn turn(&mut self, last: bool) {
        let shared = Arc::clone(&self.shared);
        let mut disk = shared.disk.lock();
        let suspect = std::mem::take(&mut shared.state.lock().signals.suspect) && self.may_salvage();
        if suspect {
            *disk = None;
        }
        if let Err(error) = self.write(&mut disk, suspect, last) {
            self.failed(&error);
            if error.is_damage() {
                shared.state.lock().signals.suspect = true;
            }
            if !error.can_read_on() {
                *disk = None;
            }
        }
        drop(disk);
        if self.strangers.take_if(|at| *at <= Instant::now()).is_some() {
            shared.state.lock().settle_strangers();
        }
    }

    fn write(&mut self, disk: &mut Option<Disk>, suspect: bool, last: bool) -> Result<(), DiskError> {
        let shared = Arc::clone(&self.shared);
        let early = self.retry.is_some_and(|retry| retry > Instant::now());
        if disk.is_none() && shared.config.path.is_some() && (last || !early) {
            match self.connect(suspect) {
                Ok(opened) => *disk = Some(opened),
                Err(error) => {
                    shared.evict(None)?;
                    return Err(error);
                }
            }
        }
        let Some(disk) = disk else {
            return shared.evict(None);
        };
        shared.evict(Some(disk))?;
        let job = self.take_job();
        let stored = disk
            .store(&job, last)
            .and_then(|outcome| match disk.is_in_place() {
                true => Ok(outcome),
                false => Err(DiskError::Refused(format!(
                    "`{}` was removed or replaced while in use; leave the file to the program",
                    self.place().path.display()
                ))),
            });
        if self.settle(job, stored)? {
            disk.empty_journal();
        }
        Ok(())
    }

    /// Takes what is to be written.
    pub(super) fn take_job(&self) -> Job {
        let shared = &self.shared;
        let now = shared.clock.now();
        let mut state = shared.state.lock();
        state.let_go(shared.config.max_bytes, now.monotonic, self.strangers.is_none());
        state.take_job(now.wall)
    }

    /// Notes what has become of it; says whether there is time for other things.
    pub(super) fn settle(&mut self, job: Job, stored: Result<Outcome, DiskError>) -> Result<bool, DiskError> {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state.lock();
        let outcome = match stored {
            Ok(outcome) => outcome,
            Err(error) => {
                state.give_back(job);
                return Err(error);
            }
        };
        state.settle(&job, outcome);
        self.succeeded(&mut state);
        let has_time = !state.has_work();
        drop(state);
        shared.bells.ring();
        shared.done.notify_all();
        Ok(has_time)
    }

    /// Opens the file and brings it together with what is in memory.
    pub(super) fn connect(&mut self, suspect: bool) -> Result<Disk, DiskError> {
        let place = self.place();
        let (mut disk, mut loaded) = Disk::open(&place, suspect)?;
        let mut generation = loaded.generation;
        let mut lost = loaded.lost.take();
        let mut state = self.shared.state.lock();
        if let Err(reason) = state.take_over(loaded, self.begun) {
            // Not while others read and append: it takes a moment.
            drop(state);
            drop(disk);
            let aside = set_aside(&place.path, reason, place.now)?;
            let what = "the file of the spool holds samples that do not go together with those in memory, and was set aside; \
                        stop the program and rename it back to have them sent";
            let aside = aside.display();
            tracing::warn!(path = %place.path.display(), %aside, "{what}");
            lost = Some(format!("{what} (`{aside}`)"));
            (disk, loaded) = Disk::open(&place, false)?;
            generation = loaded.generation;
            state = self.shared.state.lock();
            // A new file goes together with anything.
            let _: Result<(), &str> = state.take_over(loaded, self.begun);
        }
        state.begin_after(generation);
        if let Some(lost) = lost {
            state.lost = Some((self.shared.clock.now().monotonic, lost));
        }
        self.begun = true;
        Ok(disk)
    }

    fn place(&self) -> Place {
        let config = &self.shared.config;
        Place {
            path: config.path.clone().unwrap_or_default(),
            machine: machine::fingerprint(&config.root),
            now: self.shared.clock.now().wall,
        }
    }

    /// Whether a file may be copied because of damage. Something is wrong with more than the file if that is needed
    /// again at once, and copies would fill the disk.
    fn may_salvage(&mut self) -> bool {
        let last = self.last_salvage;
        let may = last.is_none_or(|last| last.elapsed() >= Self::SALVAGE_PAUSE);
        if may {
            self.last_salvage = Some(Instant::now());
        }
        may
    }

    fn failed(&mut self, error: &DiskError) {
        self.retry = Some(Instant::now() + self.pause);
        let largest = self.shared.config.retry_interval * Self::LARGEST_PAUSE_FACTOR;
        self.pause = (self.pause * 2).min(largest);
        let text = error.to_string();
        let mut state = self.shared.state.lock();
        if state.fault.is_none() {
            tracing::warn!(fault = %text, "the spool works in memory only until the disk does again");
        } else {
            tracing::debug!(fault = %text, "the disk of the spool does not work yet");
        }
        state.fault = Some(text);
        drop(state);
        self.shared.bells.ring();
    }

    fn succeeded(&mut self, state: &mut State) {
        self.retry = None;
        self.pause = self.shared.config.retry_interval;
        if state.fault.take().is_some() {
            tracing::info!("the disk of the spool works again, and has all that was in memory");
        }
    }
}

impl State {
    /// Begins with the dictionary after that one, unless it has begun with another.
    fn begin_after(&mut self, generation: u32) {
        if self.generation == 0 {
            self.generation = generation.saturating_add(1);
        }
    }

    /// Whether somebody waits, or so much has come that it is not worth to wait for more.
    const fn is_urgent(&self) -> bool {
        /// One sender of a relay can send it within its window.
        const MUCH: u64 = 256 << 10;
        self.signals.suspect
            || self.committed_changes < self.signals.awaited
            || self.head.bytes.saturating_sub(self.committed.bytes) >= MUCH
    }

    fn has_work(&self) -> bool {
        let left = self.unwritten.start || !self.unwritten.doomed.is_empty();
        self.changes > self.committed_changes || left || self.signals.suspect
    }

    /// Says once which outputs hold records back although they do not exist.
    fn settle_strangers(&mut self) {
        let strangers = self.cursors.iter().filter(|(_, cursor)| !cursor.opened);
        for (output, cursor) in strangers {
            tracing::warn!(
                output,
                samples = self.head.samples.saturating_sub(cursor.done.samples),
                "the spool keeps samples for an output that is not configured; they go when they are too old or too many"
            );
        }
        self.orphans = None;
        self.move_start();
    }
}
