//! What is taken from a reading, and under which metric.

use alumet_core::catalog::{IncompatibleMetric, MetricHandle};
use alumet_core::metric::MetricDef;
use alumet_core::plugin::StartContext;
use alumet_core::{Attributes, value};
use alumet_reader_cgroupfs::engine::{Stat, Wanted};

use crate::config::{MetricsConfig, Pace};
use crate::metrics;
use What::{Cpu, Delta, Limit, Number};

/// All that is measured at one pace.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    /// CPU times, of which the increase and the share of the machine are pushed.
    pub(crate) cpu: Vec<(Column<u64>, Column<f64>)>,
    /// Counts whose increase is pushed.
    pub(crate) deltas: Vec<Column<u64>>,
    /// Numbers that are pushed as they are.
    pub(crate) numbers: Vec<Column<u64>>,
    /// Bounds.
    pub(crate) limits: Vec<Column<f64>>,
    /// Traffic with devices: bytes and operations.
    pub(crate) io: Option<[MetricHandle<u64>; 2]>,
    pub(crate) wanted: Wanted,
}

/// One series of each control group.
#[derive(Debug)]
pub(crate) struct Column<T> {
    pub(crate) metric: MetricHandle<T>,
    /// Made once, so that the series of all control groups share them.
    pub(crate) attributes: Attributes,
    pub(crate) stat: Stat,
}

/// What becomes of a statistic.
enum What {
    Cpu,
    Delta(&'static MetricDef<u64>),
    Number(&'static MetricDef<u64>),
    Limit(&'static MetricDef<f64>),
}

type Pairs = &'static [(&'static str, &'static str)];
type Rows = &'static [(What, Pairs, Stat)];

const CPU: Rows = &[
    (Cpu, &[("kind", "total")], Stat::CpuTotal),
    (Cpu, &[("kind", "user")], Stat::CpuUser),
    (Cpu, &[("kind", "system")], Stat::CpuSystem),
];

const MEMORY: Rows = &[
    (Number(&metrics::MEMORY_USAGE), &[], Stat::Memory),
    (Number(&metrics::SWAP_CURRENT), &[], Stat::Swap),
    (Limit(&metrics::MEMORY_MAX), &[], Stat::MemoryMax),
    (Limit(&metrics::SWAP_MAX), &[], Stat::SwapMax),
];

const MEMORY_STAT: Rows = &[
    (Number(&metrics::ANONYMOUS), &[], Stat::Anonymous),
    (Number(&metrics::FILE), &[], Stat::File),
    (Number(&metrics::KERNEL_STACK), &[], Stat::KernelStack),
    (Number(&metrics::PAGETABLES), &[], Stat::PageTables),
    (Number(&metrics::SLAB_RECLAIMABLE), &[], Stat::SlabReclaimable),
    (Number(&metrics::PSWPIN), &[], Stat::SwappedIn),
    (Number(&metrics::PSWPOUT), &[], Stat::SwappedOut),
];

const IO_PRESSURE: Rows = &[
    (Delta(&metrics::IO_PRESSURE_SOME), &[], Stat::IoSome),
    (Delta(&metrics::IO_PRESSURE_FULL), &[], Stat::IoFull),
];

const STALL: What = Delta(&metrics::STALL_TIME);

const PRESSURE: Rows = &[
    (STALL, &[("resource", "cpu"), ("kind", "some")], Stat::CpuSome),
    (STALL, &[("resource", "cpu"), ("kind", "full")], Stat::CpuFull),
    (
        STALL,
        &[("resource", "memory"), ("kind", "some")],
        Stat::MemorySome,
    ),
    (
        STALL,
        &[("resource", "memory"), ("kind", "full")],
        Stat::MemoryFull,
    ),
    (STALL, &[("resource", "io"), ("kind", "some")], Stat::IoSome),
    (STALL, &[("resource", "io"), ("kind", "full")], Stat::IoFull),
    (STALL, &[("resource", "irq"), ("kind", "some")], Stat::IrqSome),
    (STALL, &[("resource", "irq"), ("kind", "full")], Stat::IrqFull),
];

const THROTTLING: Rows = &[
    (Delta(&metrics::THROTTLED_TIME), &[], Stat::ThrottledTime),
    (Delta(&metrics::THROTTLED_PERIODS), &[], Stat::ThrottledPeriods),
    (Delta(&metrics::PERIODS), &[], Stat::Periods),
];

const PIDS: Rows = &[(Number(&metrics::PIDS), &[], Stat::Pids)];

const EVENTS: What = Delta(&metrics::MEMORY_EVENTS);

const MEMORY_EVENTS: Rows = &[
    (EVENTS, &[("event", "low")], Stat::Low),
    (EVENTS, &[("event", "high")], Stat::High),
    (EVENTS, &[("event", "max")], Stat::Max),
    (EVENTS, &[("event", "oom")], Stat::Oom),
    (EVENTS, &[("event", "oom_kill")], Stat::OomKill),
];

impl Columns {
    /// The columns of all groups of metrics that have this pace.
    pub(crate) fn at(
        pace: Pace,
        config: &MetricsConfig,
        alumet: &StartContext<'_>,
    ) -> Result<Self, IncompatibleMetric> {
        let mut columns = Self::default();
        let groups = [
            (config.cpu, CPU),
            (config.memory, MEMORY),
            (config.memory_stat, MEMORY_STAT),
            (config.io_pressure, IO_PRESSURE),
            (config.pressure, PRESSURE),
            (config.throttling, THROTTLING),
            (config.pids, PIDS),
            (config.memory_events, MEMORY_EVENTS),
        ];
        let chosen = groups.into_iter().filter(|(chosen, _)| *chosen == pace);
        for (what, pairs, stat) in chosen.flat_map(|(_, rows)| rows) {
            columns.wanted.add(*stat);
            match what {
                Cpu => columns.cpu.push((
                    Column::new(&metrics::CPU_TIME_DELTA, pairs, *stat, alumet)?,
                    Column::new(&metrics::CPU_PERCENT, pairs, *stat, alumet)?,
                )),
                Delta(metric) => columns.deltas.push(Column::new(metric, pairs, *stat, alumet)?),
                Number(metric) => columns.numbers.push(Column::new(metric, pairs, *stat, alumet)?),
                Limit(metric) => columns.limits.push(Column::new(metric, pairs, *stat, alumet)?),
            }
        }
        if config.io == pace {
            columns.wanted.add(Stat::Devices);
            columns.io = Some([
                alumet.metric(&metrics::IO_BYTES)?,
                alumet.metric(&metrics::IO_OPERATIONS)?,
            ]);
        }
        Ok(columns)
    }
}

impl<T: value::Number> Column<T> {
    fn new(
        metric: &MetricDef<T>,
        attributes: Pairs,
        stat: Stat,
        alumet: &StartContext<'_>,
    ) -> Result<Self, IncompatibleMetric> {
        Ok(Self {
            metric: alumet.metric(metric)?,
            attributes: attributes.iter().copied().collect(),
            stat,
        })
    }
}
