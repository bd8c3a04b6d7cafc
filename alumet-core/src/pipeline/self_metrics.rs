//! What a pipeline knows about itself: one table for its own samples and for whoever scrapes it.

use std::marker::PhantomData;
use std::time::Duration;

use hashbrown::HashMap;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::unistd::{SysconfVar, sysconf};

use crate::catalog::{Catalog, IncompatibleMetric, MetricHandle};
use crate::consumer::Consumer;
use crate::failure::Failure;
use crate::metric::{MetricDef, MetricDoc, MetricKind, Quality};
use crate::resource::Resource;
use crate::series::{Series, SeriesId};
use crate::source::{Accumulator, Source};
use crate::spool::SpoolStatus;
use crate::time::nanos;
use crate::unit::Unit;
use crate::value::ValueType;

use super::control::{Control, PipelineStatus};
use super::element::ElementStatus;
use super::ledger::{DropReason, OutputAccount};

/// The plugin id under which the source is listed.
pub const PLUGIN: &str = "alumet";

/// One fact about a pipeline, of which there may be several values: one per element, for instance.
#[derive(Debug)]
pub struct Fact {
    /// The metric of its samples; `None` if there are none.
    pub metric: Option<&'static str>,
    /// Its family in the text format of Prometheus, in base units; `None` if it has none.
    pub family: Option<&'static str>,
    /// How the values relate to time. What samples tell as a delta is a counter all the same.
    pub kind: MetricKind,
    /// The unit of the values.
    pub unit: Unit,
    /// The labels, as `key` or `key=value|value`.
    pub attributes: &'static [&'static str],
    /// One sentence for people.
    pub description: &'static str,
    /// Gives each value with its labels.
    pub values: fn(&Known, Put<'_>),
}

/// Takes a value with its labels.
pub type Put<'a> = &'a mut dyn FnMut(&[(&'static str, &str)], u64);

/// What is known at one instant, from which all facts are read.
#[derive(Debug)]
pub struct Known {
    status: PipelineStatus,
    cpu_time: Option<Duration>,
    wakeups: Option<u64>,
    resident: Option<u64>,
}

macro_rules! facts {
    ($($metric:expr, $family:expr, $kind:ident, $unit:expr, [$($attribute:literal)*], $description:literal,
       |$known:ident, $put:ident| $values:expr;)+) => {
        /// All facts.
        pub static FACTS: &[Fact] = &[$(Fact {
            metric: $metric,
            family: $family,
            kind: MetricKind::$kind,
            unit: $unit,
            attributes: &[$($attribute),*],
            description: $description,
            values: { fn values($known: &Known, $put: Put<'_>) { $values } values },
        }),+];
    };
}

const NANOS: Unit = Unit::SECOND.nano();

facts! {
    None, Some("alumet_uptime_seconds"), Gauge, NANOS, [],
        "Time since the start.", |known, put| put(&[], nanos(known.status.uptime));
    Some("alumet_cpu_time"), Some("process_cpu_seconds_total"), Delta, NANOS, [],
        "CPU time that the agent itself has used.", |known, put| known.cpu_time.into_iter().for_each(|time| put(&[], nanos(time)));
    Some("alumet_memory_resident"), Some("process_resident_memory_bytes"), Gauge, Unit::BYTE, [],
        "Memory of the agent itself that is in RAM.", |known, put| known.resident.into_iter().for_each(|bytes| put(&[], bytes));
    Some("alumet_wakeups"), None, Delta, Unit::ONE, [],
        "How often a thread of the agent was scheduled after it had waited (voluntary context switches).",
        |known, put| known.wakeups.into_iter().for_each(|count| put(&[], count));
    Some("alumet_samples_produced"), Some("alumet_samples_produced_total"), Counter, Unit::ONE, [],
        "Samples that sources have made.", |known, put| put(&[], known.status.ledger.produced);
    None, Some("alumet_samples_added_total"), Counter, Unit::ONE, [],
        "Samples that transforms have added.", |known, put| put(&[], known.status.ledger.added);
    None, Some("alumet_samples_removed_total"), Counter, Unit::ONE, [],
        "Samples that transforms have removed.", |known, put| put(&[], known.status.ledger.removed);
    None, Some("alumet_samples_pending"), Gauge, Unit::ONE, [],
        "Samples that sources have not handed on yet.", |known, put| put(&[], known.status.ledger.pending);
    None, Some("alumet_samples_queued"), Gauge, Unit::ONE, [],
        "Samples on their way from sources to transforms.", |known, put| put(&[], known.status.ledger.queued);
    None, Some("alumet_samples_routed_total"), Counter, Unit::ONE, [],
        "Samples that have left the transforms.", |known, put| put(&[], known.status.ledger.routed);
    None, Some("alumet_samples_offered_total"), Counter, Unit::ONE, ["element"],
        "Samples that were meant for an output.", |known, put| known.outputs(put, |account| account.offered);
    None, Some("alumet_samples_recovered_total"), Counter, Unit::ONE, ["element"],
        "Samples that waited in the spool when the output started.",
        |known, put| known.outputs(put, |account| account.recovered);
    Some("alumet_samples_delivered"), Some("alumet_samples_delivered_total"), Counter, Unit::ONE, ["element"],
        "Samples that an output has written.", |known, put| known.outputs(put, |account| account.delivered);
    Some("alumet_samples_dropped"), Some("alumet_samples_dropped_total"), Counter, Unit::ONE,
        ["element" "reason=queue_full|rejected|output_ended|shutdown|spool_full|expired|damaged"],
        "Samples that an output will never write, by reason; without an output, those dropped before they reached any.",
        |known, put| known.dropped(put);
    Some("alumet_samples_buffered"), Some("alumet_samples_buffered"), Gauge, Unit::ONE, ["element"],
        "Samples that wait for an output.", |known, put| known.outputs(put, |account| account.buffered);
    None, Some("alumet_samples_spooled"), Gauge, Unit::ONE, ["element"],
        "Those of them that are in the spool, where they outlive the program.",
        |known, put| known.outputs(put, |account| account.spooled);
    Some("alumet_spool_size"), Some("alumet_spool_bytes"), Gauge, Unit::BYTE, [],
        "What waits in the spool.", |known, put| known.spool(put, |spool| spool.bytes);
    None, Some("alumet_spool_samples"), Gauge, Unit::ONE, [],
        "Samples that wait in the spool.", |known, put| known.spool(put, |spool| spool.samples);
    Some("alumet_samples_uncommitted"), Some("alumet_spool_uncommitted_samples"), Gauge, Unit::ONE, [],
        "Samples in the spool that are not on disk yet.",
        |known, put| known.spool(put, |spool| spool.uncommitted_samples);
    None, Some("alumet_spool_fault"), Gauge, Unit::ONE, [],
        "1 if the spool works in memory only, else 0.",
        |known, put| known.spool(put, |spool| u64::from(spool.fault.is_some()));
    None, Some("alumet_ready"), Gauge, Unit::ONE, [],
        "1 if nothing keeps the agent from measuring and delivering all that it should, else 0.",
        |known, put| put(&[], u64::from(known.status.obstacles.is_empty()));
    Some("alumet_certificate_expiry"), Some("alumet_certificate_expiry_timestamp_seconds"), Gauge, Unit::SECOND, ["certificate"],
        "When a certificate that is in use expires, in seconds since 1970.", |known, put| known.certificates(put);
    None, Some("alumet_element_healthy"), Gauge, Unit::ONE, ["element"],
        "1 if the last call of the element succeeded, else 0.",
        |known, put| known.elements(put, |element| Some(u64::from(element.is_healthy())));
    None, Some("alumet_element_calls_total"), Counter, Unit::ONE, ["element"],
        "Polls of a source, batches of a transform or output.",
        |known, put| known.elements(put, |element| Some(element.calls));
    Some("alumet_element_busy_time"), Some("alumet_element_busy_seconds_total"), Counter, NANOS, ["element"],
        "Time spent in an element: polling a source, applying a transform, writing an output.",
        |known, put| known.elements(put, |element| Some(nanos(element.busy)));
    Some("alumet_element_failures"), Some("alumet_element_failures_total"), Counter, Unit::ONE, ["element"],
        "Failed calls of an element.", |known, put| known.elements(put, |element| Some(element.failures));
    None, Some("alumet_element_restarts_total"), Counter, Unit::ONE, ["element"],
        "How often an element was reset after a failure or panic.",
        |known, put| known.elements(put, |element| Some(element.restarts));
    Some("alumet_ticks_missed"), Some("alumet_ticks_missed_total"), Counter, Unit::ONE, ["element"],
        "Ticks at which a source should have been polled and was not.",
        |known, put| known.elements(put, |element| element.schedule.map(|_| element.missed_ticks));
    Some("alumet_polls_overrun"), Some("alumet_polls_overrun_total"), Counter, Unit::ONE, ["element"],
        "Polls of a source that took longer than the shortest interval of its thread.",
        |known, put| known.elements(put, |element| element.schedule.map(|_| element.overruns));
    None, Some("alumet_poll_seconds"), Gauge, NANOS, ["element"],
        "How long the poll has lasted that a source is in, else 0.",
        |known, put| known.elements(put, |element| element.schedule.map(|_| nanos(element.polling.unwrap_or_default())));
    Some("alumet_tick_lateness"), Some("alumet_tick_lateness_seconds"), Gauge, NANOS,
        ["thread" "quantile=0.5|0.99|1"],
        "How late the ticks of a poll thread have come since the start.", |known, put| known.lateness(put);
    Some("alumet_series"), Some("alumet_series"), Gauge, Unit::ONE, [],
        "Series that are registered.", |known, put| put(&[], known.status.live_series as u64);
}

/// The metrics of the samples.
pub fn all() -> Vec<MetricDoc> {
    FACTS.iter().filter_map(Fact::doc).collect()
}

impl Fact {
    /// A value as its family has it: times in seconds.
    pub fn in_base_unit(&self, value: u64) -> f64 {
        match self.unit == NANOS {
            true => Duration::from_nanos(value).as_secs_f64(),
            false => value as f64,
        }
    }

    fn doc(&self) -> Option<MetricDoc> {
        Some(MetricDoc {
            name: self.metric?,
            kind: self.kind,
            value_type: ValueType::U64,
            unit: self.unit.clone(),
            description: self.description,
            quality: Quality::Measured,
            resources: &["local_machine"],
            consumers: &["process"],
            attributes: self.attributes,
        })
    }
}

impl Known {
    /// The status of a pipeline, and what the kernel has counted for this process.
    pub fn now(status: PipelineStatus) -> Self {
        let usage = getrusage(UsageWho::RUSAGE_SELF).ok();
        let cpu_time = usage.map(|usage| {
            let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
            Duration::from_micros(micros.max(0).cast_unsigned())
        });
        let wakeups = usage.map(|usage| usage.voluntary_context_switches().max(0).cast_unsigned());
        // Pages, of which the second number counts those in RAM (proc(5)).
        let statm = std::fs::read_to_string("/proc/self/statm").ok();
        let pages = statm.and_then(|statm| statm.split(' ').nth(1)?.parse::<u64>().ok());
        let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten().unwrap_or(4096);
        Self {
            status,
            cpu_time,
            wakeups,
            resident: pages.map(|pages| pages * page.cast_unsigned()),
        }
    }

    fn elements(&self, put: Put<'_>, value: fn(&ElementStatus) -> Option<u64>) {
        for element in &self.status.elements {
            if let Some(value) = value(element) {
                put(&[("element", &element.key.to_string())], value);
            }
        }
    }

    fn outputs(&self, put: Put<'_>, value: fn(&OutputAccount) -> u64) {
        for (key, account) in &self.status.ledger.outputs {
            put(&[("element", &key.to_string())], value(account));
        }
    }

    /// All reasons for which an output may miss samples, with zeros: a counter that appears only with its first event
    /// hides this event from whoever looks at increases.
    fn dropped(&self, put: Put<'_>) {
        let ledger = &self.status.ledger;
        for (key, account) in &ledger.outputs {
            let of_outputs = |reason: &&DropReason| **reason != DropReason::NoOutput;
            for reason in DropReason::ALL.iter().filter(of_outputs) {
                let count = account.dropped.get(reason).copied().unwrap_or(0);
                put(&[("element", &key.to_string()), ("reason", reason.name())], count);
            }
        }
        for (reason, count) in &ledger.dropped {
            put(&[("reason", reason.name())], *count);
        }
    }

    fn certificates(&self, put: Put<'_>) {
        for certificate in &self.status.certificates {
            let seconds = certificate.not_after.as_nanos() / 1_000_000_000;
            let path = certificate.path.to_string_lossy();
            put(&[("certificate", &path)], seconds.max(0).cast_unsigned());
        }
    }

    fn spool(&self, put: Put<'_>, value: fn(&SpoolStatus) -> u64) {
        self.status.spool.iter().for_each(|spool| put(&[], value(spool)));
    }

    fn lateness(&self, put: Put<'_>) {
        for thread in &self.status.punctuality {
            for (name, quantile) in [("0.5", 0.5), ("0.99", 0.99), ("1", 1.0)] {
                let labels = [("thread", thread.thread.as_str()), ("quantile", name)];
                put(&labels, nanos(thread.lateness.quantile(quantile)));
            }
        }
    }
}

/// Measures the process and the pipeline it runs.
pub(crate) struct SelfSource {
    control: Control,
    metrics: Vec<(&'static Fact, MetricHandle<u64>)>,
    /// The series of the last poll, with their values: those of elements that are gone retire.
    series: HashMap<SeriesId, (Series<u64>, u64)>,
}

impl SelfSource {
    pub(crate) fn new(catalog: &Catalog, control: Control) -> Result<Self, IncompatibleMetric> {
        let mut metrics = Vec::new();
        for fact in FACTS {
            if let Some(doc) = fact.doc() {
                let value = PhantomData;
                metrics.push((fact, catalog.metric(&MetricDef { doc, value })?));
            }
        }
        Ok(Self {
            control,
            metrics,
            series: HashMap::new(),
        })
    }
}

impl Source for SelfSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let Ok(status) = self.control.status() else {
            return Ok(());
        };
        let known = Known::now(status);
        let process = Consumer::Process {
            pid: std::process::id(),
        };
        // Kept to the end: what is registered anew is the same series.
        let before = std::mem::take(&mut self.series);
        for &(fact, metric) in &self.metrics {
            (fact.values)(&known, &mut |labels, value| {
                // No series for what an output has never dropped: there are many reasons.
                if value == 0 && labels.iter().any(|(label, _)| *label == "reason") {
                    return;
                }
                let of_process = out
                    .catalog()
                    .series(metric, Resource::LocalMachine, process.clone());
                let series = of_process
                    .attributes(&labels.iter().copied().collect())
                    .register();
                let previous = before.get(&series.id()).map_or(value, |(_, previous)| *previous);
                match fact.kind {
                    MetricKind::Delta => out.push(&series, value.saturating_sub(previous)),
                    _ => out.push(&series, value),
                }
                self.series.insert(series.id(), (series, value));
            });
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.series.clear();
    }
}
