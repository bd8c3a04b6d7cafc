//! The pipeline measures itself: a source like any other.

use std::time::Duration;

use hashbrown::HashMap;
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::catalog::{Catalog, IncompatibleMetric, MetricHandle};
use crate::consumer::Consumer;
use crate::failure::Failure;
use crate::resource::Resource;
use crate::series::Series;
use crate::source::{Accumulator, Source};
use crate::unit::Unit;

use super::control::Control;
use super::element::{ElementKey, ElementKind, ElementStatus};
use super::ledger::DropReason;

/// The plugin id under which the source is listed.
pub const PLUGIN: &str = "alumet";

crate::metrics! {
    pub CPU_TIME = Delta<u64> {
        name: "alumet_cpu_time",
        unit: Unit::SECOND.nano(),
        description: "CPU time that the agent itself has used.",
        resources: ["local_machine"], consumers: ["process"], attributes: [],
    };
    pub MEMORY = Gauge<u64> {
        name: "alumet_memory_resident",
        unit: Unit::BYTE,
        description: "Memory of the agent itself that is in RAM.",
        resources: ["local_machine"], consumers: ["process"], attributes: [],
    };
    pub WAKEUPS = Delta<u64> {
        name: "alumet_wakeups",
        unit: Unit::ONE,
        description: "How often a thread of the agent was scheduled after it had waited (voluntary context switches).",
        resources: ["local_machine"], consumers: ["process"], attributes: [],
    };
    pub PRODUCED = Counter<u64> {
        name: "alumet_samples_produced",
        unit: Unit::ONE,
        description: "Samples that sources have made.",
        resources: ["local_machine"], consumers: ["process"], attributes: [],
    };
    pub DELIVERED = Counter<u64> {
        name: "alumet_samples_delivered",
        unit: Unit::ONE,
        description: "Samples that an output has written.",
        resources: ["local_machine"], consumers: ["process"], attributes: ["element"],
    };
    pub DROPPED = Counter<u64> {
        name: "alumet_samples_dropped",
        unit: Unit::ONE,
        description: "Samples that an output will never write, by reason.",
        resources: ["local_machine"], consumers: ["process"],
        attributes: ["element", "reason=queue_full|rejected|output_ended|shutdown|spool_full|expired|damaged"],
    };
    pub BUFFERED = Gauge<u64> {
        name: "alumet_samples_buffered",
        unit: Unit::ONE,
        description: "Samples that wait for an output.",
        resources: ["local_machine"], consumers: ["process"], attributes: ["element"],
    };
    pub SPOOL_SIZE = Gauge<u64> {
        name: "alumet_spool_size",
        unit: Unit::BYTE,
        description: "What waits in the spool.",
        resources: ["local_machine"], consumers: ["process"], attributes: [],
    };
    pub UNCOMMITTED = Gauge<u64> {
        name: "alumet_samples_uncommitted",
        unit: Unit::ONE,
        description: "Samples in the spool that are not on disk yet.",
        resources: ["local_machine"], consumers: ["process"], attributes: [],
    };
    pub BUSY = Counter<u64> {
        name: "alumet_element_busy_time",
        unit: Unit::SECOND.nano(),
        description: "Time spent in an element: polling a source, applying a transform, writing an output.",
        resources: ["local_machine"], consumers: ["process"], attributes: ["element"],
    };
    pub FAILURES = Counter<u64> {
        name: "alumet_element_failures",
        unit: Unit::ONE,
        description: "Failed calls of an element.",
        resources: ["local_machine"], consumers: ["process"], attributes: ["element"],
    };
    pub MISSED_TICKS = Counter<u64> {
        name: "alumet_ticks_missed",
        unit: Unit::ONE,
        description: "Ticks at which a source should have been polled and was not.",
        resources: ["local_machine"], consumers: ["process"], attributes: ["element"],
    };
    pub OVERRUNS = Counter<u64> {
        name: "alumet_polls_overrun",
        unit: Unit::ONE,
        description: "Polls of a source that took longer than the shortest interval of its thread.",
        resources: ["local_machine"], consumers: ["process"], attributes: ["element"],
    };
    pub LATENESS = Gauge<u64> {
        name: "alumet_tick_lateness",
        unit: Unit::SECOND.nano(),
        description: "How late the ticks of a poll thread have come since the start.",
        resources: ["local_machine"], consumers: ["process"], attributes: ["thread", "quantile=0.5|0.99|1"],
    };
    pub SERIES = Gauge<u64> {
        name: "alumet_series",
        unit: Unit::ONE,
        description: "Series that are registered.",
        resources: ["local_machine"], consumers: ["process"], attributes: [],
    };
}

/// Measures the process and the pipeline it runs.
pub(crate) struct SelfSource {
    control: Control,
    metrics: Metrics,
    cpu_time: Series<u64>,
    memory: Series<u64>,
    wakeups: Series<u64>,
    produced: Series<u64>,
    live_series: Series<u64>,
    /// Size and uncommitted samples.
    spool: Option<[Series<u64>; 2]>,
    previous: Option<Process>,
    /// Series of elements; those of elements that are gone are dropped.
    elements: HashMap<ElementKey, ElementSeries>,
    dropped: HashMap<(ElementKey, DropReason), Series<u64>>,
    lateness: HashMap<(String, &'static str), Series<u64>>,
}

struct Metrics {
    delivered: MetricHandle<u64>,
    dropped: MetricHandle<u64>,
    buffered: MetricHandle<u64>,
    busy: MetricHandle<u64>,
    failures: MetricHandle<u64>,
    missed_ticks: MetricHandle<u64>,
    overruns: MetricHandle<u64>,
    lateness: MetricHandle<u64>,
    spool: [MetricHandle<u64>; 2],
}

struct ElementSeries {
    busy: Series<u64>,
    failures: Series<u64>,
    /// Missed ticks and overruns of a source that is polled.
    polls: Option<[Series<u64>; 2]>,
    delivered: Option<Series<u64>>,
    buffered: Option<Series<u64>>,
}

/// What the kernel has counted for this process.
#[derive(Clone, Copy)]
struct Process {
    cpu_time: Duration,
    wakeups: u64,
}

impl SelfSource {
    pub(crate) fn new(catalog: &Catalog, control: Control) -> Result<Self, IncompatibleMetric> {
        let plain = |definition| Ok(series(catalog, catalog.metric(definition)?, &[]));
        Ok(Self {
            control,
            cpu_time: plain(&CPU_TIME)?,
            memory: plain(&MEMORY)?,
            wakeups: plain(&WAKEUPS)?,
            produced: plain(&PRODUCED)?,
            live_series: plain(&SERIES)?,
            metrics: Metrics {
                delivered: catalog.metric(&DELIVERED)?,
                dropped: catalog.metric(&DROPPED)?,
                buffered: catalog.metric(&BUFFERED)?,
                busy: catalog.metric(&BUSY)?,
                failures: catalog.metric(&FAILURES)?,
                missed_ticks: catalog.metric(&MISSED_TICKS)?,
                overruns: catalog.metric(&OVERRUNS)?,
                lateness: catalog.metric(&LATENESS)?,
                spool: [catalog.metric(&SPOOL_SIZE)?, catalog.metric(&UNCOMMITTED)?],
            },
            spool: None,
            previous: None,
            elements: HashMap::new(),
            dropped: HashMap::new(),
            lateness: HashMap::new(),
        })
    }

    fn poll_process(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let now = Process::read(&getrusage(UsageWho::RUSAGE_SELF)?);
        // Without a previous reading the series begin, with a 0.
        let previous = self.previous.replace(now).unwrap_or(now);
        out.push(
            &self.cpu_time,
            nanos(now.cpu_time.saturating_sub(previous.cpu_time)),
        );
        out.push(&self.wakeups, now.wakeups.saturating_sub(previous.wakeups));
        out.push(&self.memory, resident_memory()?);
        Ok(())
    }

    fn poll_element(&mut self, status: &ElementStatus, out: &mut Accumulator<'_>) {
        let metrics = &self.metrics;
        let series = self.elements.entry_ref(&status.key).or_insert_with(|| {
            let name = status.key.to_string();
            let make = |metric| series(out.catalog(), metric, &[("element", &name)]);
            let output = status.key.kind == ElementKind::Output;
            ElementSeries {
                busy: make(metrics.busy),
                failures: make(metrics.failures),
                polls: status
                    .schedule
                    .map(|_| [metrics.missed_ticks, metrics.overruns].map(make)),
                delivered: output.then(|| make(metrics.delivered)),
                buffered: output.then(|| make(metrics.buffered)),
            }
        });
        out.push(&series.busy, nanos(status.busy));
        out.push(&series.failures, status.failures);
        if let Some([missed, overruns]) = &series.polls {
            out.push(missed, status.missed_ticks);
            out.push(overruns, status.overruns);
        }
    }
}

impl Source for SelfSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        self.poll_process(out)?;
        let Ok(status) = self.control.status() else {
            return Ok(());
        };
        out.push(&self.produced, status.ledger.produced);
        out.push(&self.live_series, status.live_series as u64);
        if let Some(spool) = &status.spool {
            let metrics = self.metrics.spool;
            let [size, uncommitted] = self
                .spool
                .get_or_insert_with(|| metrics.map(|metric| series(out.catalog(), metric, &[])));
            out.push(size, spool.bytes);
            out.push(uncommitted, spool.uncommitted_samples);
        }
        self.elements
            .retain(|key, _| status.elements.iter().any(|element| element.key == *key));
        for element in &status.elements {
            self.poll_element(element, out);
        }
        for (key, account) in &status.ledger.outputs {
            let Some(ElementSeries {
                delivered: Some(delivered),
                buffered: Some(buffered),
                ..
            }) = self.elements.get(key)
            else {
                continue;
            };
            out.push(delivered, account.delivered);
            out.push(buffered, account.buffered);
            for (&reason, &count) in &account.dropped {
                let dropped = self.dropped.entry((key.clone(), reason)).or_insert_with(|| {
                    let attributes = [("element", key.to_string()), ("reason", reason.name().to_owned())];
                    let attributes = attributes.each_ref().map(|(key, value)| (*key, value.as_str()));
                    series(out.catalog(), self.metrics.dropped, &attributes)
                });
                out.push(dropped, count);
            }
        }
        for thread in &status.punctuality {
            for (name, quantile) in [("0.5", 0.5), ("0.99", 0.99), ("1", 1.0)] {
                let late = self
                    .lateness
                    .entry((thread.thread.clone(), name))
                    .or_insert_with(|| {
                        let attributes = [("thread", thread.thread.as_str()), ("quantile", name)];
                        series(out.catalog(), self.metrics.lateness, &attributes)
                    });
                out.push(late, nanos(thread.lateness.quantile(quantile)));
            }
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.previous = None;
    }
}

impl Process {
    fn read(usage: &Usage) -> Self {
        let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        Self {
            cpu_time: Duration::from_micros(micros.max(0).cast_unsigned()),
            wakeups: usage.voluntary_context_switches().max(0).cast_unsigned(),
        }
    }
}

/// A series about the agent itself.
fn series(catalog: &Catalog, metric: MetricHandle<u64>, attributes: &[(&'static str, &str)]) -> Series<u64> {
    let process = Consumer::Process {
        pid: std::process::id(),
    };
    let builder = catalog.series(metric, Resource::LocalMachine, process);
    attributes
        .iter()
        .fold(builder, |builder, (key, value)| builder.attribute(*key, *value))
        .register()
}

/// The second field of `/proc/self/statm`, in pages.
fn resident_memory() -> Result<u64, Failure> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = statm.split(' ').nth(1).unwrap_or_default().parse()?;
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)?.unwrap_or(4096);
    Ok(pages * page.cast_unsigned())
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
