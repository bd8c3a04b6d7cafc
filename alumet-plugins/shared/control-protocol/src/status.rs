//! Where every sample is and how punctual the agent is, as sent to whoever asks.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use alumet_core::duration::HumanDuration;
use alumet_core::pipeline::{DropReason, ElementStatus, PipelineStatus};
use serde::{Deserialize, Serialize};

use crate::seconds;
use crate::table::{Align, Table, one_line};

/// Everything about an agent at one instant, except its elements one by one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// Time since the start, in seconds.
    #[serde(rename = "uptime_seconds", with = "seconds")]
    pub uptime: Duration,
    /// Series that have a handle.
    pub live_series: usize,
    /// How many elements are in each state.
    pub elements: BTreeMap<String, usize>,
    /// Where every sample is.
    pub ledger: LedgerReport,
    /// What waits in the spool, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spool: Option<SpoolReport>,
    /// How punctual each poll thread is.
    pub threads: Vec<ThreadReport>,
    /// Which sources hold their threads up, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds_up: Vec<String>,
}

/// What waits in the spool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpoolReport {
    /// The file; none for a spool in memory.
    pub path: Option<String>,
    /// How many bytes wait.
    pub bytes: u64,
    /// How many samples wait.
    pub samples: u64,
    /// How many of them are not on disk yet.
    pub uncommitted_samples: u64,
    /// Why it works in memory only at the moment, and what would mend that.
    pub fault: Option<String>,
}

/// Where every sample is; see [`Ledger`](alumet_core::pipeline::Ledger).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerReport {
    /// Samples that sources have made.
    pub produced: u64,
    /// Samples not handed on yet.
    pub pending: u64,
    /// Samples on their way to transforms.
    pub queued: u64,
    /// Samples that transforms have added.
    pub added: u64,
    /// Samples that transforms have removed.
    pub removed: u64,
    /// Samples that left the transforms.
    pub routed: u64,
    /// Samples dropped before they reached any output, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// One account per output.
    pub outputs: Vec<OutputReport>,
    /// Whether every sample is accounted for.
    pub balanced: bool,
}

/// Where the samples of one output are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputReport {
    /// Its name: `outputs/csv/file`.
    pub output: String,
    /// Samples meant for it.
    pub offered: u64,
    /// Samples that waited for it in the spool when it started.
    #[serde(default)]
    pub recovered: u64,
    /// Samples it has written.
    pub delivered: u64,
    /// Samples that wait for it, in its queue or in the spool.
    pub buffered: u64,
    /// Those of them that are in the spool.
    #[serde(default)]
    pub spooled: u64,
    /// Samples it will never write, by reason.
    pub dropped: BTreeMap<String, u64>,
}

/// How punctual a poll thread is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadReport {
    /// The name of the thread.
    pub thread: String,
    /// Ticks that happened.
    pub ticks: u64,
    /// Ticks that did not.
    pub missed_ticks: u64,
    /// Half of the ticks were not later than this, in seconds.
    #[serde(rename = "lateness_p50_seconds", with = "seconds")]
    pub p50: Duration,
    /// 99 of 100 ticks were not later than this, in seconds.
    #[serde(rename = "lateness_p99_seconds", with = "seconds")]
    pub p99: Duration,
    /// No tick was later than this, in seconds.
    #[serde(rename = "lateness_max_seconds", with = "seconds")]
    pub max: Duration,
}

impl From<&PipelineStatus> for StatusReport {
    fn from(status: &PipelineStatus) -> Self {
        let ledger = &status.ledger;
        let mut elements = BTreeMap::new();
        for element in &status.elements {
            *elements.entry(element.state.name().to_owned()).or_default() += 1;
        }
        let outputs = ledger.outputs.iter().map(|(key, account)| OutputReport {
            output: key.to_string(),
            offered: account.offered,
            recovered: account.recovered,
            delivered: account.delivered,
            buffered: account.buffered,
            spooled: account.spooled,
            dropped: by_name(&account.dropped),
        });
        let threads = status.punctuality.iter().map(|thread| ThreadReport {
            thread: thread.thread.clone(),
            ticks: thread.lateness.count(),
            missed_ticks: thread.missed_ticks,
            p50: thread.lateness.quantile(0.5),
            p99: thread.lateness.quantile(0.99),
            max: thread.lateness.max(),
        });
        Self {
            uptime: status.uptime,
            live_series: status.live_series,
            elements,
            ledger: LedgerReport {
                produced: ledger.produced,
                pending: ledger.pending,
                queued: ledger.queued,
                added: ledger.added,
                removed: ledger.removed,
                routed: ledger.routed,
                dropped: by_name(&ledger.dropped),
                outputs: outputs.collect(),
                balanced: ledger.is_balanced(),
            },
            spool: status.spool.as_ref().map(|spool| SpoolReport {
                path: spool.path.as_ref().map(|path| path.display().to_string()),
                bytes: spool.bytes,
                samples: spool.samples,
                uncommitted_samples: spool.uncommitted_samples,
                fault: spool.fault.clone(),
            }),
            threads: threads.collect(),
            holds_up: status
                .elements
                .iter()
                .filter_map(ElementStatus::holds_up)
                .collect(),
        }
    }
}

fn by_name(dropped: &BTreeMap<DropReason, u64>) -> BTreeMap<String, u64> {
    let named = dropped
        .iter()
        .map(|(reason, samples)| (reason.name().to_owned(), *samples));
    named.collect()
}

impl StatusReport {
    /// For people: what was measured, what became of it at each output, how late each thread was.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let uptime = HumanDuration(Duration::from_secs(self.uptime.as_secs()));
        let states = self
            .elements
            .iter()
            .map(|(state, count)| format!("{count} {state}"));
        let states = states.collect::<Vec<_>>().join(", ");
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "running for {uptime}; elements: {states}; live series: {}",
            self.live_series
        );
        let ledger = &self.ledger;
        let _ = writeln!(
            text,
            "samples: {} produced, {} pending, {} queued, {} added and {} removed by transforms, {} routed, {}",
            ledger.produced,
            ledger.pending,
            ledger.queued,
            ledger.added,
            ledger.removed,
            ledger.routed,
            dropped(&ledger.dropped),
        );
        if !ledger.balanced {
            text.push_str("the accounts do not balance: this is a defect of the program, please report it\n");
        }
        if let Some(spool) = &self.spool {
            let place = spool.path.as_deref().unwrap_or("in memory");
            let _ = writeln!(
                text,
                "spool: {} samples in {} bytes, {} not on disk yet, {place}",
                spool.samples, spool.bytes, spool.uncommitted_samples
            );
            if let Some(fault) = &spool.fault {
                let _ = writeln!(text, "the spool works in memory only: {fault}");
            }
        }
        let mut outputs = Table::new([
            ("OUTPUT", Align::Left),
            ("OFFERED", Align::Right),
            ("DELIVERED", Align::Right),
            ("BUFFERED", Align::Right),
            ("SPOOLED", Align::Right),
            ("DROPPED", Align::Left),
        ]);
        for output in &ledger.outputs {
            outputs.row([
                output.output.clone(),
                output.offered.to_string(),
                output.delivered.to_string(),
                output.buffered.to_string(),
                output.spooled.to_string(),
                dropped(&output.dropped),
            ]);
        }
        let mut threads = Table::new([
            ("THREAD", Align::Left),
            ("TICKS", Align::Right),
            ("MISSED", Align::Right),
            ("LATE P50", Align::Right),
            ("P99", Align::Right),
            ("MAX", Align::Right),
        ]);
        for thread in &self.threads {
            threads.row([
                thread.thread.clone(),
                thread.ticks.to_string(),
                thread.missed_ticks.to_string(),
                short(thread.p50),
                short(thread.p99),
                short(thread.max),
            ]);
        }
        for source in &self.holds_up {
            let _ = writeln!(text, "{}", one_line(source));
        }
        text + "\n" + &outputs.render() + "\n" + &threads.render()
    }
}

/// `0 dropped`, or `7 dropped (4 queue_full, 3 rejected)`.
fn dropped(by_reason: &BTreeMap<String, u64>) -> String {
    let total: u64 = by_reason.values().sum();
    if total == 0 {
        return "0 dropped".to_owned();
    }
    let reasons = by_reason
        .iter()
        .map(|(reason, samples)| format!("{samples} {reason}"));
    format!("{total} dropped ({})", reasons.collect::<Vec<_>>().join(", "))
}

/// With three digits and one unit.
fn short(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 1e-3 => format!("{:.2} ms", s * 1e3),
        s => format!("{:.1} µs", s * 1e6),
    }
}
