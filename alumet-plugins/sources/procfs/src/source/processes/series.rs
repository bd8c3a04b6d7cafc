//! The series of one process.

use alumet_core::attributes::Attributes;
use alumet_core::catalog::{Catalog, MetricHandle};
use alumet_core::plugin::{StartContext, StartError};
use alumet_core::source::Accumulator;
use alumet_core::time::Timestamp;
use alumet_core::{Consumer, Resource, Series};
use alumet_reader_procfs::process::{Process, Processes};

use crate::config::{MemoryMode, PlanConfig, ProcessAttribute, ProcessMetric};
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
    pub(super) cpu_time: Option<CpuTimeSeries>,
    pub(super) cpu_percent: Option<CpuPercentSeries>,
    pub(super) memory: Option<MemorySeries>,
    pub(super) io: Option<IoSeries>,
}

pub(super) struct CpuTimeSeries {
    pub(super) user: Series<u64>,
    pub(super) system: Series<u64>,
    pub(super) guest: Series<u64>,
}

pub(super) struct CpuPercentSeries {
    pub(super) user: Series<f64>,
    pub(super) system: Series<f64>,
    pub(super) total: Series<f64>,
}

pub(super) struct MemorySeries {
    pub(super) resident: Series<u64>,
    pub(super) shared: Series<u64>,
    pub(super) virtual_size: Series<u64>,
    pub(super) proportional: Option<Series<u64>>,
}

pub(super) struct IoSeries {
    pub(super) read: Series<u64>,
    pub(super) write: Series<u64>,
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
    pub(super) fn register(
        catalog: &Catalog,
        metrics: ProcessMetrics,
        plan: &PlanConfig,
        process: &Process,
        processes: &mut Processes,
    ) -> Self {
        let pid = process.pid();
        let attributes = attributes_of(plan, process, processes);
        let of_kind = Maker {
            catalog,
            pid,
            attributes: &attributes,
        };
        Self {
            cpu_time: plan
                .metrics
                .contains(&ProcessMetric::CpuTime)
                .then(|| CpuTimeSeries {
                    user: of_kind.series(metrics.cpu_time, "kind", "user"),
                    system: of_kind.series(metrics.cpu_time, "kind", "system"),
                    guest: of_kind.series(metrics.cpu_time, "kind", "guest"),
                }),
            cpu_percent: plan
                .metrics
                .contains(&ProcessMetric::CpuPercent)
                .then(|| CpuPercentSeries {
                    user: of_kind.series(metrics.cpu_percent, "kind", "user"),
                    system: of_kind.series(metrics.cpu_percent, "kind", "system"),
                    total: of_kind.series(metrics.cpu_percent, "kind", "total"),
                }),
            memory: plan
                .metrics
                .contains(&ProcessMetric::Memory)
                .then(|| MemorySeries {
                    resident: of_kind.series(metrics.memory, "kind", "resident"),
                    shared: of_kind.series(metrics.memory, "kind", "shared"),
                    virtual_size: of_kind.series(metrics.memory, "kind", "virtual"),
                    proportional: match plan.memory_mode {
                        MemoryMode::Quick => None,
                        MemoryMode::SlowButAccurate => {
                            Some(of_kind.series(metrics.memory, "kind", "proportional"))
                        }
                    },
                }),
            io: plan.io.then(|| IoSeries {
                read: of_kind.series(metrics.io, "direction", "read"),
                write: of_kind.series(metrics.io, "direction", "write"),
            }),
        }
    }
}

impl CpuTimeSeries {
    /// Says since when the series count.
    pub(super) fn begin(&self, out: &mut Accumulator<'_>, at: Timestamp) {
        for series in [&self.user, &self.system, &self.guest] {
            out.push_at(series, at, 0);
        }
    }
}

struct Maker<'a> {
    catalog: &'a Catalog,
    pid: u32,
    attributes: &'a Attributes,
}

impl Maker<'_> {
    fn series<T: alumet_core::value::Number>(
        &self,
        metric: MetricHandle<T>,
        key: &'static str,
        value: &'static str,
    ) -> Series<T> {
        let process = Consumer::Process { pid: self.pid };
        self.catalog
            .series(metric, Resource::LocalMachine, process)
            .attributes(self.attributes)
            .attribute(key, value)
            .register()
    }
}

fn attributes_of(plan: &PlanConfig, process: &Process, processes: &mut Processes) -> Attributes {
    let mut attributes = Attributes::EMPTY;
    if plan.attributes.contains(&ProcessAttribute::Name) {
        attributes = attributes.with("name", process.last_stat().comm.to_str_lossy());
    }
    if plan.attributes.contains(&ProcessAttribute::Cmdline) {
        let mut cmdline = command_line(processes, process.pid()).unwrap_or_default();
        let end = (0..=LONGEST_CMDLINE)
            .rev()
            .find(|end| cmdline.is_char_boundary(*end));
        cmdline.truncate(end.unwrap_or(0));
        attributes = attributes.with("cmdline", cmdline);
    }
    attributes
}
