//! Elements: what a pipeline consists of, and what is known about each.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use serde::{Serialize, Serializer};

use crate::duration::as_seconds;
use crate::source::Schedule;
use crate::time::Monotonic;

/// What an element does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ElementKind {
    /// Makes samples.
    Source,
    /// Changes samples.
    Transform,
    /// Writes samples.
    Output,
}

words! {
    ElementKind {
        Source: "sources",
        Transform: "transforms",
        Output: "outputs",
    }
}

/// The unique name of an element: `sources/procfs/kernel`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ElementKey {
    /// What it does.
    pub kind: ElementKind,
    /// The id of the plugin that added it.
    pub plugin: String,
    /// Its name, unique within kind and plugin.
    pub name: String,
}

impl ElementKey {
    pub(crate) fn new(kind: ElementKind, plugin: &str, name: &str) -> Self {
        Self {
            kind,
            plugin: plugin.to_owned(),
            name: name.to_owned(),
        }
    }
}

impl fmt::Display for ElementKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind, self.plugin, self.name)
    }
}

/// As its text.
impl Serialize for ElementKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How an element is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ElementState {
    /// It works.
    Running,
    /// It was told to wait.
    Paused,
    /// Its last attempt failed; it will be tried again.
    Failing,
    /// It failed or panicked in a way that asked for a restart, and waits for it.
    Restarting,
    /// It has ended and will not work again.
    Ended,
}

words! {
    ElementState {
        Running: "running",
        Paused: "paused",
        Failing: "failing",
        Restarting: "restarting",
        Ended: "ended",
    }
}

/// What is known about an element.
#[derive(Debug, Clone, Serialize)]
pub struct ElementStatus {
    /// Its name.
    #[serde(rename = "element")]
    pub key: ElementKey,
    /// How it is doing.
    pub state: ElementState,
    /// When a source is polled; `None` for other elements and for sources driven by events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Where an output writes, if it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// The last error, even if it works again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Failures since the last success.
    pub failures_in_a_row: u32,
    /// All failures.
    pub failures: u64,
    /// How often it was reset after a failure or panic.
    pub restarts: u64,
    /// Polls of a source, batches of a transform or output.
    pub calls: u64,
    /// Samples that a source made, a transform took or an output wrote.
    pub samples: u64,
    /// Ticks that a source missed.
    pub missed_ticks: u64,
    /// Polls of a source that took longer than the shortest interval of its thread, so that ticks were missed.
    pub overruns: u64,
    /// The longest poll of a source.
    #[serde(rename = "longest_seconds", serialize_with = "as_seconds")]
    pub longest: Duration,
    #[serde(
        rename = "polling_seconds",
        serialize_with = "as_seconds",
        skip_serializing_if = "Option::is_none"
    )]
    /// How long the poll has lasted that a source is in, if it is in one.
    pub polling: Option<Duration>,
    /// How long something has waited for it without its finishing anything: samples for an output, beyond the time that it
    /// lets them wait for others, or clients for an event source. It is known from the first status that shows it.
    #[serde(
        rename = "stalled_seconds",
        serialize_with = "as_seconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub stalled: Option<Duration>,
    /// How long it has worked in vain: a source that is polled makes no sample, or all that an output should have written is
    /// lost. It is known from the first status that shows it.
    #[serde(
        rename = "in_vain_seconds",
        serialize_with = "as_seconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub in_vain: Option<Duration>,
    /// Time spent in the element.
    #[serde(rename = "busy_seconds", serialize_with = "as_seconds")]
    pub busy: Duration,
}

impl ElementStatus {
    /// How long something may wait before the element [stands still](Self::stands_still), and how long it may work in vain.
    pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

    /// Whether its last attempt succeeded.
    pub const fn is_healthy(&self) -> bool {
        matches!(self.state, ElementState::Running | ElementState::Paused)
    }

    /// That it stands still; `None` if it does not, or not for long.
    pub fn stands_still(&self) -> Option<String> {
        let stalled = self.stalled.filter(|stalled| *stalled >= Self::PATIENCE)?;
        let what = match self.key.kind {
            ElementKind::Output => "written none of the samples that wait for it",
            ElementKind::Source | ElementKind::Transform => "taken nothing of what waits for it",
        };
        let key = &self.key;
        Some(format!("{key} has {what} for {} s", stalled.as_secs()))
    }

    /// How it holds up the thread that polls it, and whoever else is polled there; `None` if it does not.
    pub fn holds_up(&self) -> Option<String> {
        let key = &self.key;
        if let Some(polling) = self.polling.filter(|polling| *polling >= Duration::from_secs(1)) {
            return Some(format!(
                "{key} has been in a poll for {:.1} s",
                polling.as_secs_f64()
            ));
        }
        (self.overruns > 0).then(|| {
            format!(
                "{key} took longer than the shortest interval of its thread for {} of {} polls, and up to {:?}",
                self.overruns, self.calls, self.longest
            )
        })
    }
}

/// The one place where the status of an element is kept; written by the thread that runs it.
pub(crate) struct ElementCell {
    status: Mutex<ElementStatus>,
    /// Since when it is in a poll. Time that really passes, on whatever clock the pipeline is.
    polling: Mutex<Option<Instant>>,
    /// Samples that an output has to write and that are not in the spool: its part of an account that it may share with
    /// another one of its name. Changes under the lock of the ledger.
    in_memory: AtomicU64,
    /// Tells what an event source has done; `None` if nothing waits for it.
    tell_done: Mutex<Option<Box<TellDone>>>,
    /// What it had done, and since when it is no more although something waits.
    done: Mutex<Option<(u64, Monotonic)>>,
    vain: Mutex<Vain>,
    key: ElementKey,
}

/// What came of the work of an element, and what was in vain, when something last came of it.
#[derive(Default)]
struct Vain {
    fruit: u64,
    vain: u64,
    /// Since when it has worked in vain only.
    since: Option<Monotonic>,
}

/// How much has been done, while something waits.
pub(crate) type TellDone = dyn Fn() -> Option<u64> + Send + Sync;

impl ElementCell {
    pub(crate) fn new(key: ElementKey, schedule: Option<Schedule>) -> Self {
        let state = match schedule {
            Some(Schedule { paused: true, .. }) => ElementState::Paused,
            _ => ElementState::Running,
        };
        let status = ElementStatus {
            key: key.clone(),
            state,
            schedule,
            destination: None,
            last_error: None,
            failures_in_a_row: 0,
            failures: 0,
            restarts: 0,
            calls: 0,
            samples: 0,
            missed_ticks: 0,
            overruns: 0,
            longest: Duration::ZERO,
            polling: None,
            stalled: None,
            in_vain: None,
            busy: Duration::ZERO,
        };
        Self {
            status: Mutex::new(status),
            polling: Mutex::new(None),
            in_memory: AtomicU64::new(0),
            tell_done: Mutex::new(None),
            done: Mutex::new(None),
            vain: Mutex::default(),
            key,
        }
    }

    /// With the place where it writes.
    pub(crate) fn writing_to(mut self, destination: Option<String>) -> Self {
        self.status.get_mut().destination = destination;
        self
    }

    pub(crate) const fn key(&self) -> &ElementKey {
        &self.key
    }

    pub(crate) fn status(&self) -> ElementStatus {
        ElementStatus {
            polling: self.polling().map(|since| since.elapsed()),
            ..self.status.lock().clone()
        }
    }

    /// From now on, an event source tells what it has done.
    pub(crate) fn set_tell_done(&self, tell: Box<TellDone>) {
        *self.tell_done.lock() = Some(tell);
    }

    /// What an event source says that it has done.
    pub(crate) fn tell_done(&self) -> Option<u64> {
        self.tell_done.lock().as_ref()?()
    }

    /// For how long it has `done` no more, although something waits; paused or failing is another matter.
    pub(crate) fn stalled(&self, done: Option<u64>, now: Monotonic) -> Option<Duration> {
        let done = done.filter(|_| self.state() == ElementState::Running);
        let mut last = self.done.lock();
        let since = last.filter(|(before, _)| Some(*before) == done);
        *last = done.map(|done| since.unwrap_or((done, now)));
        last.map(|(_, since)| now.since(since))
    }

    /// For how long it has worked `vain` times more, and nothing came of it beyond `fruit`; paused is another matter.
    pub(crate) fn in_vain(&self, fruit: u64, vain: u64, now: Monotonic) -> Option<Duration> {
        let mut last = self.vain.lock();
        if last.fruit != fruit || self.state() == ElementState::Paused {
            *last = Vain {
                fruit,
                vain,
                since: None,
            };
        } else if vain > last.vain && last.since.is_none() {
            last.since = Some(now);
        }
        last.since.map(|since| now.since(since))
    }

    pub(crate) fn schedule(&self) -> Option<Schedule> {
        self.status.lock().schedule
    }

    /// Since when it is in a poll.
    pub(crate) fn polling(&self) -> Option<Instant> {
        *self.polling.lock()
    }

    pub(crate) fn poll_begins(&self) {
        *self.polling.lock() = Some(Instant::now());
    }

    /// Records how long a poll took; if that is longer than `allowed`, says how often this has happened.
    pub(crate) fn poll_ends(&self, took: Duration, allowed: Option<Duration>) -> Option<u64> {
        *self.polling.lock() = None;
        let mut status = self.status.lock();
        status.longest = status.longest.max(took);
        if allowed.is_none_or(|allowed| took <= allowed) {
            return None;
        }
        status.overruns += 1;
        Some(status.overruns)
    }

    pub(crate) fn state(&self) -> ElementState {
        self.status.lock().state
    }

    pub(crate) fn set_state(&self, state: ElementState) {
        self.status.lock().state = state;
    }

    pub(crate) fn set_schedule(&self, schedule: Schedule) {
        self.status.lock().schedule = Some(schedule);
    }

    /// Records a call that went well; says whether the element had failed before.
    pub(crate) fn succeeded(&self, samples: u64, busy: Duration) -> bool {
        let mut status = self.called(samples, busy);
        let recovered = status.failures_in_a_row > 0;
        if recovered {
            status.failures_in_a_row = 0;
            if status.state != ElementState::Paused {
                status.state = ElementState::Running;
            }
        }
        recovered
    }

    /// Records a call that failed, and how often it has failed in a row.
    pub(crate) fn failed(&self, state: ElementState, error: &str, samples: u64, busy: Duration) -> u32 {
        let mut status = self.called(samples, busy);
        status.failures += 1;
        status.failures_in_a_row = status.failures_in_a_row.saturating_add(1);
        status.restarts += u64::from(state == ElementState::Restarting);
        if status.state != ElementState::Paused || state == ElementState::Ended {
            status.state = state;
        }
        status.last_error = Some(error.to_owned());
        status.failures_in_a_row
    }

    fn called(&self, samples: u64, busy: Duration) -> MutexGuard<'_, ElementStatus> {
        let mut status = self.status.lock();
        status.calls += 1;
        status.samples += samples;
        status.busy += busy;
        status
    }

    pub(super) fn add_in_memory(&self, samples: u64) {
        self.in_memory.fetch_add(samples, Ordering::Relaxed);
    }

    /// Takes up to so many samples; none if they were given up in the meantime and are booked already.
    pub(super) fn take_in_memory(&self, samples: u64) -> u64 {
        let taken = self.in_memory.load(Ordering::Relaxed).min(samples);
        self.in_memory.fetch_sub(taken, Ordering::Relaxed);
        taken
    }

    pub(crate) fn missed(&self, ticks: u64) {
        self.status.lock().missed_ticks += ticks;
    }
}
