//! The series of one process.

use alumet_core::attributes::Attributes;
use alumet_core::catalog::{Catalog, MetricHandle};
use alumet_core::plugin::{StartContext, StartError};
use alumet_core::series::SeriesBuilder;
use alumet_core::source::Accumulator;
use alumet_core::time::Timestamp;
use alumet_core::value::Number;
use alumet_core::{Consumer, Resource, Series};
use alumet_reader_procfs::process::Process;

use super::followed::Context;
use crate::config::{MemoryMode, ProcessAttribute, ProcessMetric};
use crate::metrics;
use crate::watch::command_line;

/// The metrics of processes.
#[derive(Clone, Copy)]
pub(super) struct ProcessMetrics {
    cpu_time: MetricHandle<u64>,
    cpu_percent: MetricHandle<f64>,
    memory: MetricHandle<u64>,
    io: MetricHandle<u64>,
}

/// The series of one process; `None` for what is not measured.
pub(super) struct ProcessSeries {
    /// In user mode, in kernel mode, and for a guest.
    pub(super) cpu_time: Option<[Series<u64>; 3]>,
    /// In user mode, in kernel mode, and both.
    pub(super) cpu_percent: Option<[Series<f64>; 3]>,
    /// Resident, shared and virtual.
    pub(super) memory: Option<[Series<u64>; 3]>,
    pub(super) proportional: Option<Series<u64>>,
    /// Reads and writes.
    pub(super) io: Option<[Series<u64>; 2]>,
}

/// Longer command lines are cut: they would weigh on every output.
const LONGEST_CMDLINE: usize = 1024;

impl ProcessMetrics {
    pub(super) fn register(alumet: &StartContext<'_>) -> Result<Self, StartError> {
        Ok(Self {
            cpu_time: alumet.metric(&metrics::CPU_TIME_DELTA)?,
            cpu_percent: alumet.metric(&metrics::CPU_PERCENT)?,
            memory: alumet.metric(&metrics::MEMORY_USAGE)?,
            io: alumet.metric(&metrics::PROCESS_IO_BYTES)?,
        })
    }
}

impl ProcessSeries {
    pub(super) fn register(catalog: &Catalog, process: &Process, context: &mut Context) -> Self {
        let attributes = &attributes_of(process, context);
        let (pid, plan, metrics) = (process.pid(), &context.plan, context.metrics);
        let of = |metric, key, value: &'static str| {
            let described = of_process(catalog, metric, pid, attributes);
            described.attribute(key, value).register()
        };
        let percent = |kind: &'static str| {
            let described = of_process(catalog, metrics.cpu_percent, pid, attributes);
            described.attribute("kind", kind).register()
        };
        let time = |kind| of(metrics.cpu_time, "kind", kind);
        let memory = |kind| of(metrics.memory, "kind", kind);
        let io = |direction| of(metrics.io, "direction", direction);
        let has = |metric| plan.metrics.contains(&metric);
        let is_accurate = plan.memory_mode == MemoryMode::SlowButAccurate;
        Self {
            cpu_time: has(ProcessMetric::CpuTime).then(|| ["user", "system", "guest"].map(time)),
            cpu_percent: has(ProcessMetric::CpuPercent).then(|| ["user", "system", "total"].map(percent)),
            memory: has(ProcessMetric::Memory).then(|| ["resident", "shared", "virtual"].map(memory)),
            proportional: (is_accurate && has(ProcessMetric::Memory)).then(|| memory("proportional")),
            io: plan.io.then(|| ["read", "write"].map(io)),
        }
    }

    /// Says since when the deltas of CPU time count.
    pub(super) fn begin_cpu_time(&self, out: &mut Accumulator<'_>, at: Timestamp) {
        for series in self.cpu_time.iter().flatten() {
            out.push_at(series, at, 0);
        }
    }

    /// Says since when the deltas of reads and writes count.
    pub(super) fn begin_io(&self, out: &mut Accumulator<'_>, at: Timestamp) {
        for series in self.io.iter().flatten() {
            out.push_at(series, at, 0);
        }
    }
}

fn of_process<'a, T: Number>(
    catalog: &'a Catalog,
    metric: MetricHandle<T>,
    pid: u32,
    attributes: &Attributes,
) -> SeriesBuilder<'a, T> {
    let described = catalog.series(metric, Resource::LocalMachine, Consumer::Process { pid });
    described.attributes(attributes)
}

fn attributes_of(process: &Process, context: &mut Context) -> Attributes {
    let wanted = &context.plan.attributes;
    let pid = process.pid();
    let mut attributes = Attributes::EMPTY;
    if wanted.contains(&ProcessAttribute::Name) {
        attributes = attributes.with("name", process.last_stat().comm.to_string());
    }
    if wanted.contains(&ProcessAttribute::Cmdline) {
        let mut cmdline = command_line(&mut context.processes, pid).unwrap_or_default();
        let mut ends = (0..=LONGEST_CMDLINE).rev();
        let end = ends.find(|end| cmdline.is_char_boundary(*end));
        cmdline.truncate(end.unwrap_or(0));
        attributes = attributes.with("cmdline", cmdline);
    }
    if wanted.contains(&ProcessAttribute::Cgroup)
        && let Ok(Some(group)) = context.processes.cgroup(pid)
    {
        attributes = attributes.with("cgroup", group.to_string());
    }
    attributes
}
