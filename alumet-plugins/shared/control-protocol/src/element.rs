//! How elements are, as sent to whoever asks.

use std::time::Duration;

use alumet_core::duration::HumanDuration;
use alumet_core::pipeline::ElementStatus;
use serde::{Deserialize, Serialize};

use crate::seconds;
use crate::table::{Align, Table};

/// How one element is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ElementReport {
    /// Its name: `sources/procfs/kernel`.
    pub element: String,
    /// One word: `running`, `paused`, `failing`, `restarting`, `ended`.
    pub state: String,
    /// What makes it work.
    pub trigger: Trigger,
    /// Polls of a source, batches of a transform or output.
    pub calls: u64,
    /// Samples that a source made, a transform took or an output wrote.
    pub samples: u64,
    /// All failures.
    pub failures: u64,
    /// Failures since the last success.
    pub failures_in_a_row: u32,
    /// How often it was reset after a failure.
    pub restarts: u64,
    /// Ticks that a source missed.
    pub missed_ticks: u64,
    /// Polls of a source that took longer than the shortest interval of its thread.
    #[serde(default)]
    pub overruns: u64,
    /// The longest poll of a source, in seconds.
    #[serde(default, rename = "longest_seconds", with = "seconds")]
    pub longest: Duration,
    /// Time spent in the element, in seconds.
    #[serde(rename = "busy_seconds", with = "seconds")]
    pub busy: Duration,
    /// The last error, even if it works again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// What makes an element work.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// Time: it is polled once per interval, given in seconds.
    #[serde(rename = "interval_seconds", with = "seconds")]
    Interval(Duration),
    /// Requests only.
    Request,
    /// What arrives: samples of others, or events.
    Arrival,
}

impl From<&ElementStatus> for ElementReport {
    fn from(status: &ElementStatus) -> Self {
        let trigger = match status.schedule {
            None => Trigger::Arrival,
            Some(schedule) => schedule.interval.map_or(Trigger::Request, Trigger::Interval),
        };
        Self {
            element: status.key.to_string(),
            state: status.state.name().to_owned(),
            trigger,
            calls: status.calls,
            samples: status.samples,
            failures: status.failures,
            failures_in_a_row: status.failures_in_a_row,
            restarts: status.restarts,
            missed_ticks: status.missed_ticks,
            overruns: status.overruns,
            longest: status.longest,
            busy: status.busy,
            last_error: status.last_error.clone(),
        }
    }
}

/// A table for people.
pub(crate) fn table(elements: &[ElementReport]) -> String {
    let mut table = Table::new([
        ("ELEMENT", Align::Left),
        ("STATE", Align::Left),
        ("INTERVAL", Align::Right),
        ("CALLS", Align::Right),
        ("SAMPLES", Align::Right),
        ("FAILURES", Align::Right),
        ("MISSED", Align::Right),
        ("LAST ERROR", Align::Left),
    ]);
    for element in elements {
        let interval = match element.trigger {
            Trigger::Interval(interval) => HumanDuration(interval).to_string(),
            Trigger::Request => "request".to_owned(),
            Trigger::Arrival => "-".to_owned(),
        };
        table.row([
            element.element.clone(),
            element.state.clone(),
            interval,
            element.calls.to_string(),
            element.samples.to_string(),
            element.failures.to_string(),
            element.missed_ticks.to_string(),
            element.last_error.clone().unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    table.render()
}
