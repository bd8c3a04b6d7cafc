//! What is taken from a reading, and under which metric.

use alumet_core::Attributes;
use alumet_core::catalog::{IncompatibleMetric, MetricHandle};
use alumet_core::metric::MetricDef;
use alumet_core::plugin::StartContext;
use alumet_core::value::Number;
use alumet_reader_cgroupfs::engine::{Stat, Wanted};

use crate::config::{MetricsConfig, Pace};
use crate::metrics;

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
    /// Traffic with devices.
    pub(crate) io: Option<IoMetrics>,
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

/// The metrics of traffic.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IoMetrics {
    pub(crate) bytes: MetricHandle<u64>,
    pub(crate) operations: MetricHandle<u64>,
}

type Pairs = &'static [(&'static str, &'static str)];

const CPU: [(Pairs, Stat); 3] = [
    (&[("kind", "total")], Stat::CpuTotal),
    (&[("kind", "user")], Stat::CpuUser),
    (&[("kind", "system")], Stat::CpuSystem),
];

const MEMORY: [(&MetricDef<u64>, Stat); 2] = [
    (&metrics::MEMORY_USAGE, Stat::Memory),
    (&metrics::SWAP_CURRENT, Stat::Swap),
];

const LIMITS: [(&MetricDef<f64>, Stat); 2] = [
    (&metrics::MEMORY_MAX, Stat::MemoryMax),
    (&metrics::SWAP_MAX, Stat::SwapMax),
];

const MEMORY_STAT: [(&MetricDef<u64>, Stat); 7] = [
    (&metrics::ANONYMOUS, Stat::Anonymous),
    (&metrics::FILE, Stat::File),
    (&metrics::KERNEL_STACK, Stat::KernelStack),
    (&metrics::PAGETABLES, Stat::PageTables),
    (&metrics::SLAB_RECLAIMABLE, Stat::SlabReclaimable),
    (&metrics::PSWPIN, Stat::SwappedIn),
    (&metrics::PSWPOUT, Stat::SwappedOut),
];

const PRESSURE: [(Pairs, Stat); 8] = [
    (&[("resource", "cpu"), ("kind", "some")], Stat::CpuSome),
    (&[("resource", "cpu"), ("kind", "full")], Stat::CpuFull),
    (&[("resource", "memory"), ("kind", "some")], Stat::MemorySome),
    (&[("resource", "memory"), ("kind", "full")], Stat::MemoryFull),
    (&[("resource", "io"), ("kind", "some")], Stat::IoSome),
    (&[("resource", "io"), ("kind", "full")], Stat::IoFull),
    (&[("resource", "irq"), ("kind", "some")], Stat::IrqSome),
    (&[("resource", "irq"), ("kind", "full")], Stat::IrqFull),
];

const MEMORY_EVENTS: [(Pairs, Stat); 5] = [
    (&[("event", "low")], Stat::Low),
    (&[("event", "high")], Stat::High),
    (&[("event", "max")], Stat::Max),
    (&[("event", "oom")], Stat::Oom),
    (&[("event", "oom_kill")], Stat::OomKill),
];

impl Columns {
    /// The columns of all groups of metrics that have this pace.
    pub(crate) fn at(
        pace: Pace,
        config: &MetricsConfig,
        alumet: &StartContext<'_>,
    ) -> Result<Self, IncompatibleMetric> {
        let mut columns = Self::default();
        if config.cpu == pace {
            for (pairs, stat) in CPU {
                let time = columns.column(alumet, &metrics::CPU_TIME_DELTA, pairs, stat)?;
                let share = columns.column(alumet, &metrics::CPU_PERCENT, pairs, stat)?;
                columns.cpu.push((time, share));
            }
        }
        for (chosen, numbers) in [
            (config.memory, &MEMORY[..]),
            (config.memory_stat, &MEMORY_STAT),
            (config.pids, &[(&metrics::PIDS, Stat::Pids)]),
        ] {
            for (metric, stat) in numbers.iter().filter(|_| chosen == pace) {
                let column = columns.column(alumet, metric, &[], *stat)?;
                columns.numbers.push(column);
            }
        }
        for (metric, stat) in LIMITS.iter().filter(|_| config.memory == pace) {
            let column = columns.column(alumet, metric, &[], *stat)?;
            columns.limits.push(column);
        }
        let (io, throttling) = (config.io_pressure, config.throttling);
        for (chosen, metric, stats) in [
            (io, &metrics::IO_PRESSURE_SOME, &[(&[][..], Stat::IoSome)][..]),
            (io, &metrics::IO_PRESSURE_FULL, &[(&[], Stat::IoFull)]),
            (config.pressure, &metrics::STALL_TIME, &PRESSURE),
            (
                throttling,
                &metrics::THROTTLED_TIME,
                &[(&[], Stat::ThrottledTime)],
            ),
            (
                throttling,
                &metrics::THROTTLED_PERIODS,
                &[(&[], Stat::ThrottledPeriods)],
            ),
            (throttling, &metrics::PERIODS, &[(&[], Stat::Periods)]),
            (config.memory_events, &metrics::MEMORY_EVENTS, &MEMORY_EVENTS),
        ] {
            for (pairs, stat) in stats.iter().filter(|_| chosen == pace) {
                let column = columns.column(alumet, metric, pairs, *stat)?;
                columns.deltas.push(column);
            }
        }
        if config.io == pace {
            columns.wanted.add(Stat::Devices);
            columns.io = Some(IoMetrics {
                bytes: alumet.metric(&metrics::IO_BYTES)?,
                operations: alumet.metric(&metrics::IO_OPERATIONS)?,
            });
        }
        Ok(columns)
    }

    fn column<T: Number>(
        &mut self,
        alumet: &StartContext<'_>,
        metric: &MetricDef<T>,
        attributes: Pairs,
        stat: Stat,
    ) -> Result<Column<T>, IncompatibleMetric> {
        self.wanted.add(stat);
        Ok(Column {
            metric: alumet.metric(metric)?,
            attributes: attributes.iter().copied().collect(),
            stat,
        })
    }
}
