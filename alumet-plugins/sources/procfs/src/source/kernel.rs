//! CPU time per state, context switches, forks, running and blocked threads.

use std::time::Duration;

use alumet_core::catalog::{Catalog, MetricHandle};
use alumet_core::plugin::{StartContext, StartError};
use alumet_core::source::{Accumulator, Source};
use alumet_core::{Consumer, Failure, Resource, Series};
use alumet_reader_procfs::SystemRoot;
use alumet_reader_procfs::stat::{CpuTimes, StatFile};

use super::PollInterval;
use crate::config::KernelConfig;
use crate::increments::{Increments, TickIncrements};
use crate::metrics;
use crate::present::Present;

/// Makes samples of `/proc/stat`.
pub(crate) struct KernelSource {
    file: StatFile,
    cpu_time: MetricHandle<u64>,
    iowait: bool,
    total: CpuStates,
    cpus: Present<u32, CpuStates>,
    context_switches: (Series<u64>, Increments),
    forks: (Series<u64>, Increments),
    running: Series<u64>,
    blocked: Series<u64>,
    interval: PollInterval,
}

/// The states in which one CPU, or all of them together, spent time.
struct CpuStates {
    states: Vec<(usize, Series<u64>, TickIncrements)>,
}

/// The states in the order of the kernel's columns.
const STATES: [&str; 10] = [
    "user",
    "nice",
    "system",
    "idle",
    "iowait",
    "irq",
    "softirq",
    "steal",
    "guest",
    "guest_nice",
];

const IOWAIT: usize = 4;

impl KernelSource {
    pub(crate) fn start(
        config: &KernelConfig,
        root: &SystemRoot,
        alumet: &StartContext<'_>,
    ) -> Result<Self, StartError> {
        let machine = |metric| {
            alumet
                .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
                .register()
        };
        let mut file = StatFile::open(root)?;
        let cpu_time = alumet.metric(&metrics::KERNEL_CPU_TIME)?;
        let columns = file.read()?.total.columns;
        let total = CpuStates::register(
            alumet.catalog(),
            cpu_time,
            Resource::LocalMachine,
            columns,
            config.iowait,
        );
        Ok(Self {
            file,
            cpu_time,
            iowait: config.iowait,
            total,
            cpus: Present::default(),
            context_switches: (
                machine(alumet.metric(&metrics::KERNEL_CONTEXT_SWITCHES)?),
                Increments::of_64_bits(),
            ),
            forks: (
                machine(alumet.metric(&metrics::KERNEL_NEW_FORKS)?),
                Increments::of_64_bits(),
            ),
            running: machine(alumet.metric(&metrics::KERNEL_N_PROCS_RUNNING)?),
            blocked: machine(alumet.metric(&metrics::KERNEL_N_PROCS_BLOCKED)?),
            interval: PollInterval::default(),
        })
    }
}

impl Source for KernelSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let ticks_per_second = self.file.ticks_per_second();
        let stat = self.file.read()?;
        let elapsed = self.interval.until(out.tick().monotonic);
        let most = most_ticks(elapsed, ticks_per_second);

        let cpus = u64::try_from(stat.cpus.len().max(1)).unwrap_or(1);
        self.total
            .push(&stat.total, most.saturating_mul(cpus), ticks_per_second, out);
        self.cpus.begin();
        for line in &stat.cpus {
            let states = self.cpus.entry(&line.cpu, || {
                let core = Resource::CpuCore { id: line.cpu };
                CpuStates::register(
                    out.catalog(),
                    self.cpu_time,
                    core,
                    line.times.columns,
                    self.iowait,
                )
            });
            states.push(&line.times, most, ticks_per_second, out);
        }
        self.cpus.end();

        for ((series, increments), count) in [
            (&mut self.context_switches, stat.context_switches),
            (&mut self.forks, stat.forks),
        ] {
            if let Some(increment) = count.and_then(|count| increments.update(count, elapsed)) {
                out.push(series, increment);
            }
        }
        for (series, count) in [
            (&self.running, stat.procs_running),
            (&self.blocked, stat.procs_blocked),
        ] {
            if let Some(count) = count {
                out.push(series, count);
            }
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.total.forget();
        self.cpus.clear();
        self.context_switches.1 = Increments::of_64_bits();
        self.forks.1 = Increments::of_64_bits();
        self.interval = PollInterval::default();
    }
}

impl CpuStates {
    fn register(
        catalog: &Catalog,
        metric: MetricHandle<u64>,
        resource: Resource,
        columns: u8,
        iowait: bool,
    ) -> Self {
        let states = STATES.iter().enumerate().take(columns.into());
        let states = states.filter(|(column, _)| iowait || *column != IOWAIT);
        let states = states.map(|(column, state)| {
            let series = catalog.series(metric, resource.clone(), Consumer::LocalMachine);
            let series = series.attribute("cpu_state", *state).register();
            (column, series, TickIncrements::default())
        });
        Self {
            states: states.collect(),
        }
    }

    fn push(&mut self, times: &CpuTimes, most: u64, ticks_per_second: u64, out: &mut Accumulator<'_>) {
        let columns = columns_of(times);
        for (column, series, increments) in &mut self.states {
            if let Some(ticks) = increments.update(columns[*column], most) {
                out.push(series, ticks.saturating_mul(1000) / ticks_per_second);
            }
        }
    }

    fn forget(&mut self) {
        for (_, _, increments) in &mut self.states {
            *increments = TickIncrements::default();
        }
    }
}

fn columns_of(times: &CpuTimes) -> [u64; 10] {
    [
        times.user,
        times.nice,
        times.system,
        times.idle,
        times.iowait,
        times.irq,
        times.softirq,
        times.steal,
        times.guest,
        times.guest_nice,
    ]
}

/// The most ticks that one CPU can plausibly spend in a state: twice the time, because counters of a sleeping CPU are
/// brought up to date late, and two seconds, because polls may be close together.
fn most_ticks(elapsed: Duration, ticks_per_second: u64) -> u64 {
    let elapsed = elapsed.as_millis().saturating_mul(u128::from(ticks_per_second)) / 1000;
    let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX);
    elapsed.saturating_add(ticks_per_second).saturating_mul(2)
}
