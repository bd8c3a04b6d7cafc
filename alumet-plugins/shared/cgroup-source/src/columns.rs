//! What is taken from a reading, and under which metric.

use alumet_core::Attributes;
use alumet_core::catalog::{IncompatibleMetric, MetricHandle};
use alumet_core::metric::MetricDef;
use alumet_core::plugin::StartContext;
use alumet_core::value::Number;
use alumet_reader_cgroupfs::engine::{Reading, Wanted};
use alumet_reader_cgroupfs::mount::Version;
use alumet_reader_cgroupfs::stat::memory_stat::Selection;
use alumet_reader_cgroupfs::stat::pressure::{Pressure, Stall};
use alumet_reader_cgroupfs::stat::single::Limit;

use crate::config::{MetricsConfig, Pace};
use crate::metrics;

/// All that is measured at one pace.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    /// Counts whose increase is pushed.
    pub(crate) deltas: Vec<Column<u64, u64>>,
    /// Numbers that are pushed as they are.
    pub(crate) numbers: Vec<Column<u64, u64>>,
    /// Bounds.
    pub(crate) limits: Vec<Column<f64, Limit>>,
    /// CPU times of which the share of the machine is pushed.
    pub(crate) shares: Vec<Column<f64, u64>>,
    /// Traffic with devices.
    pub(crate) io: Option<IoMetrics>,
    wanted: Wanted,
}

/// One series of each control group.
#[derive(Debug)]
pub(crate) struct Column<T, V> {
    pub(crate) metric: MetricHandle<T>,
    /// Made once, so that the series of all control groups share them.
    pub(crate) attributes: Attributes,
    pub(crate) value: fn(&Reading) -> Option<V>,
}

/// The metrics of traffic.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IoMetrics {
    pub(crate) bytes: MetricHandle<u64>,
    pub(crate) operations: MetricHandle<u64>,
}

/// The wanted entries of `memory.stat`, in the order of the table below.
pub(crate) fn memory_entries(version: Version) -> Selection {
    Selection::of(match version {
        Version::V2 => [
            "anon",
            "file",
            "kernel_stack",
            "pagetables",
            "slab_reclaimable",
            "pswpin",
            "pswpout",
        ],
        // Those with `total_` contain the control groups below, as all of version 2 do. The rest does not exist.
        Version::V1 => [
            "total_rss",
            "total_cache",
            "kernel_stack",
            "pagetables",
            "slab_reclaimable",
            "pswpin",
            "pswpout",
        ],
    })
}

impl Columns {
    /// The columns of all groups of metrics that have this pace.
    pub(crate) fn at(
        pace: Pace,
        config: &MetricsConfig,
        alumet: &StartContext<'_>,
    ) -> Result<Self, IncompatibleMetric> {
        let mut columns = Self::default();
        for (chosen, add) in [
            (config.cpu, Self::add_cpu as Add),
            (config.memory, Self::add_memory),
            (config.memory_stat, Self::add_memory_stat),
            (config.io_pressure, Self::add_io_pressure),
            (config.pressure, Self::add_pressure),
            (config.io, Self::add_io),
            (config.throttling, Self::add_throttling),
            (config.pids, Self::add_pids),
            (config.memory_events, Self::add_memory_events),
        ] {
            if chosen == pace {
                add(&mut columns, alumet)?;
            }
        }
        Ok(columns)
    }

    /// What the engine must read.
    pub(crate) fn wanted(&self, version: Version) -> Wanted {
        match version {
            Version::V2 if self.wanted.contains(Wanted::CPU_TIME) => self.wanted | Wanted::CPU_SPLIT,
            // In version 1 user and system time have a resolution of 10 ms: only the total is measured.
            _ => self.wanted,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.wanted == Wanted::NONE
    }

    fn want(&mut self, wanted: Wanted) {
        self.wanted = self.wanted | wanted;
    }

    fn add_cpu(&mut self, alumet: &StartContext<'_>) -> Added {
        self.want(Wanted::CPU_TIME);
        let kinds: [(Pairs, Take); 3] = [
            (&[("kind", "total")], |r| r.cpu.usage_ns),
            (&[("kind", "user")], |r| r.cpu.user_ns),
            (&[("kind", "system")], |r| r.cpu.system_ns),
        ];
        for (attributes, value) in kinds {
            self.deltas
                .push(column(alumet, &metrics::CPU_TIME_DELTA, attributes, value)?);
            self.shares
                .push(column(alumet, &metrics::CPU_PERCENT, attributes, value)?);
        }
        Ok(())
    }

    fn add_memory(&mut self, alumet: &StartContext<'_>) -> Added {
        self.want(Wanted::MEMORY_CURRENT | Wanted::MEMORY_MAX | Wanted::SWAP_CURRENT | Wanted::SWAP_MAX);
        self.numbers
            .push(column(alumet, &metrics::MEMORY_USAGE, &[], |r| r.memory_current)?);
        self.numbers
            .push(column(alumet, &metrics::SWAP_CURRENT, &[], |r| r.swap_current)?);
        self.limits
            .push(column(alumet, &metrics::MEMORY_MAX, &[], |r| r.memory_max)?);
        self.limits
            .push(column(alumet, &metrics::SWAP_MAX, &[], |r| r.swap_max)?);
        Ok(())
    }

    fn add_memory_stat(&mut self, alumet: &StartContext<'_>) -> Added {
        self.want(Wanted::MEMORY_STAT);
        let entries: [(&MetricDef<u64>, Take); 7] = [
            (&metrics::ANONYMOUS, |r| entry(r, 0)),
            (&metrics::FILE, |r| entry(r, 1)),
            (&metrics::KERNEL_STACK, |r| entry(r, 2)),
            (&metrics::PAGETABLES, |r| entry(r, 3)),
            (&metrics::SLAB_RECLAIMABLE, |r| entry(r, 4)),
            (&metrics::PSWPIN, |r| entry(r, 5)),
            (&metrics::PSWPOUT, |r| entry(r, 6)),
        ];
        for (metric, value) in entries {
            self.numbers.push(column(alumet, metric, &[], value)?);
        }
        Ok(())
    }

    fn add_io_pressure(&mut self, alumet: &StartContext<'_>) -> Added {
        self.want(Wanted::IO_PRESSURE);
        self.deltas
            .push(column(alumet, &metrics::IO_PRESSURE_SOME, &[], |r| {
                some(r.io_pressure)
            })?);
        self.deltas
            .push(column(alumet, &metrics::IO_PRESSURE_FULL, &[], |r| {
                full(r.io_pressure)
            })?);
        Ok(())
    }

    fn add_pressure(&mut self, alumet: &StartContext<'_>) -> Added {
        self.want(
            Wanted::CPU_PRESSURE | Wanted::MEMORY_PRESSURE | Wanted::IO_PRESSURE | Wanted::IRQ_PRESSURE,
        );
        let stalls: [(Pairs, Take); 8] = [
            (&[("resource", "cpu"), ("kind", "some")], |r| some(r.cpu_pressure)),
            (&[("resource", "cpu"), ("kind", "full")], |r| full(r.cpu_pressure)),
            (&[("resource", "memory"), ("kind", "some")], |r| {
                some(r.memory_pressure)
            }),
            (&[("resource", "memory"), ("kind", "full")], |r| {
                full(r.memory_pressure)
            }),
            (&[("resource", "io"), ("kind", "some")], |r| some(r.io_pressure)),
            (&[("resource", "io"), ("kind", "full")], |r| full(r.io_pressure)),
            (&[("resource", "irq"), ("kind", "some")], |r| some(r.irq_pressure)),
            (&[("resource", "irq"), ("kind", "full")], |r| full(r.irq_pressure)),
        ];
        for (attributes, value) in stalls {
            self.deltas
                .push(column(alumet, &metrics::STALL_TIME, attributes, value)?);
        }
        Ok(())
    }

    fn add_io(&mut self, alumet: &StartContext<'_>) -> Added {
        self.want(Wanted::IO);
        self.io = Some(IoMetrics {
            bytes: alumet.metric(&metrics::IO_BYTES)?,
            operations: alumet.metric(&metrics::IO_OPERATIONS)?,
        });
        Ok(())
    }

    fn add_throttling(&mut self, alumet: &StartContext<'_>) -> Added {
        self.want(Wanted::CPU_THROTTLING);
        let counts: [(&MetricDef<u64>, Take); 3] = [
            (&metrics::THROTTLED_TIME, |r| Some(r.throttling?.throttled_ns)),
            (&metrics::THROTTLED_PERIODS, |r| {
                Some(r.throttling?.throttled_periods)
            }),
            (&metrics::PERIODS, |r| Some(r.throttling?.periods)),
        ];
        for (metric, value) in counts {
            self.deltas.push(column(alumet, metric, &[], value)?);
        }
        Ok(())
    }

    fn add_pids(&mut self, alumet: &StartContext<'_>) -> Added {
        self.want(Wanted::PIDS_CURRENT);
        self.numbers
            .push(column(alumet, &metrics::PIDS, &[], |r| r.pids_current)?);
        Ok(())
    }

    fn add_memory_events(&mut self, alumet: &StartContext<'_>) -> Added {
        self.want(Wanted::MEMORY_EVENTS);
        let events: [(Pairs, Take); 5] = [
            (&[("event", "low")], |r| Some(r.memory_events?.low)),
            (&[("event", "high")], |r| Some(r.memory_events?.high)),
            (&[("event", "max")], |r| Some(r.memory_events?.max)),
            (&[("event", "oom")], |r| Some(r.memory_events?.oom)),
            (&[("event", "oom_kill")], |r| r.memory_events?.oom_kill),
        ];
        for (attributes, value) in events {
            self.deltas
                .push(column(alumet, &metrics::MEMORY_EVENTS, attributes, value)?);
        }
        Ok(())
    }
}

type Pairs = &'static [(&'static str, &'static str)];
type Take = fn(&Reading) -> Option<u64>;
type Added = Result<(), IncompatibleMetric>;
type Add = fn(&mut Columns, &StartContext<'_>) -> Added;

fn column<T: Number, V>(
    alumet: &StartContext<'_>,
    metric: &MetricDef<T>,
    attributes: Pairs,
    value: fn(&Reading) -> Option<V>,
) -> Result<Column<T, V>, IncompatibleMetric> {
    let metric = alumet.metric(metric)?;
    let attributes = attributes.iter().copied().collect();
    Ok(Column {
        metric,
        attributes,
        value,
    })
}

fn entry(reading: &Reading, index: usize) -> Option<u64> {
    *reading.memory_stat.get(index)?
}

fn some(pressure: Option<Pressure>) -> Option<u64> {
    total(pressure?.some)
}

fn full(pressure: Option<Pressure>) -> Option<u64> {
    total(pressure?.full)
}

fn total(stall: Option<Stall>) -> Option<u64> {
    Some(stall?.total_us)
}
