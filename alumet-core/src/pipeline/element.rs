//! Elements: what a pipeline consists of, and what is known about each.

use std::fmt;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Serialize, Serializer};

use crate::duration::as_seconds;
use crate::source::Schedule;

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

impl ElementKind {
    /// `sources`, `transforms` or `outputs`.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Source => "sources",
            Self::Transform => "transforms",
            Self::Output => "outputs",
        }
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
        write!(f, "{}/{}/{}", self.kind.plural(), self.plugin, self.name)
    }
}

/// As its text.
impl Serialize for ElementKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How an element is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
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

impl ElementState {
    /// One lower-case word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Failing => "failing",
            Self::Restarting => "restarting",
            Self::Ended => "ended",
        }
    }
}

impl fmt::Display for ElementState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
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
    /// Time spent in the element.
    #[serde(rename = "busy_seconds", serialize_with = "as_seconds")]
    pub busy: Duration,
}

impl ElementStatus {
    /// Whether its last attempt succeeded.
    pub const fn is_healthy(&self) -> bool {
        matches!(self.state, ElementState::Running | ElementState::Paused)
    }
}

/// The one place where the status of an element is kept; written by the thread that runs it.
#[derive(Debug)]
pub(crate) struct ElementCell {
    status: Mutex<ElementStatus>,
    key: ElementKey,
}

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
            last_error: None,
            failures_in_a_row: 0,
            failures: 0,
            restarts: 0,
            calls: 0,
            samples: 0,
            missed_ticks: 0,
            busy: Duration::ZERO,
        };
        Self {
            status: Mutex::new(status),
            key,
        }
    }

    pub(crate) const fn key(&self) -> &ElementKey {
        &self.key
    }

    pub(crate) fn status(&self) -> ElementStatus {
        self.status.lock().clone()
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
        let mut status = self.status.lock();
        status.calls += 1;
        status.samples += samples;
        status.busy += busy;
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
        let mut status = self.status.lock();
        status.calls += 1;
        status.samples += samples;
        status.busy += busy;
        status.failures += 1;
        status.failures_in_a_row = status.failures_in_a_row.saturating_add(1);
        status.restarts += u64::from(state == ElementState::Restarting);
        if status.state != ElementState::Paused || state == ElementState::Ended {
            status.state = state;
        }
        status.last_error = Some(error.to_owned());
        status.failures_in_a_row
    }

    pub(crate) fn missed(&self, ticks: u64) {
        self.status.lock().missed_ticks += ticks;
    }
}
