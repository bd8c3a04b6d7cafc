//! CPU time per state, context switches, forks, running and blocked threads.

use std::time::Duration;

use alumet_core::catalog::{Catalog, MetricHandle};
use alumet_core::counter::{Counter, DeltaSeries};
use alumet_core::plugin::{Finding, StartContext};
use alumet_core::source::{Accumulator, Source};
use alumet_core::time::Monotonic;
use alumet_core::{Consumer, Failure, Resource, Series};
use alumet_reader_procfs::stat::{self, CpuTimes, KernelStat, STATES};
use alumet_reader_procfs::{SystemRoot, Table, ticks_per_second};

use crate::error::TableError;
use crate::increments::{cpu_ticks, endless};
use crate::metrics;
use crate::notes::{count, note};
use crate::present::Present;

const SUBJECT: &str = "CPU time";
/// The name of the source, and what is told of.
pub(crate) const TABLE: (&str, &str) = ("kernel", SUBJECT);

/// Makes samples of `/proc/stat`.
pub(crate) struct KernelSource {
    file: Table<KernelStat>,
    cpu_time: MetricHandle<u64>,
    iowait: bool,
    total: CpuStates,
    cpus: Present<u32, CpuStates>,
    context_switches: DeltaSeries,
    forks: DeltaSeries,
    running: Series<u64>,
    blocked: Series<u64>,
    read_at: Option<Monotonic>,
}

/// The states in which one CPU, or all of them together, spent time.
struct CpuStates {
    states: Vec<(usize, Series<u64>, Counter)>,
    ticks_per_second: u64,
}

const IOWAIT: &str = "iowait";

impl KernelSource {
    pub(crate) fn start(
        iowait: bool,
        root: &SystemRoot,
        alumet: &mut StartContext<'_>,
    ) -> Result<Option<Self>, TableError> {
        let mut file = stat::open(root)?;
        let stat = file.read()?;
        let detail = format!("of {}", count(stat.cpus.len(), "CPU"));
        note(alumet, Finding::works(SUBJECT, detail));
        let machine = |metric| {
            alumet
                .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
                .register()
        };
        let delta = |metric| DeltaSeries::new(machine(metric), endless());
        let cpu_time = alumet.metric(&metrics::KERNEL_CPU_TIME)?;
        let (catalog, resource) = (alumet.catalog(), Resource::LocalMachine);
        Ok(Some(Self {
            total: CpuStates::register(catalog, cpu_time, resource, &stat.total, iowait),
            file,
            cpu_time,
            iowait,
            cpus: Present::default(),
            context_switches: delta(alumet.metric(&metrics::KERNEL_CONTEXT_SWITCHES)?),
            forks: delta(alumet.metric(&metrics::KERNEL_NEW_FORKS)?),
            running: machine(alumet.metric(&metrics::KERNEL_N_PROCS_RUNNING)?),
            blocked: machine(alumet.metric(&metrics::KERNEL_N_PROCS_BLOCKED)?),
            read_at: None,
        }))
    }
}

impl Source for KernelSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let stat = self.file.read()?;
        let now = out.tick().monotonic;
        let elapsed = self
            .read_at
            .replace(now)
            .map_or(Duration::ZERO, |last| now.since(last));
        let most = most_of_one_cpu(elapsed);

        let cpus = u32::try_from(stat.cpus.len().max(1)).unwrap_or(u32::MAX);
        self.total.push(&stat.total, most.saturating_mul(cpus), out);
        self.cpus.begin();
        for line in &stat.cpus {
            let states = self.cpus.entry(&line.cpu, || {
                let core = Resource::CpuCore { id: line.cpu };
                CpuStates::register(out.catalog(), self.cpu_time, core, &line.times, self.iowait)
            });
            states.push(&line.times, most, out);
        }
        self.cpus.end();

        for (series, count) in [
            (&mut self.context_switches, stat.context_switches),
            (&mut self.forks, stat.forks),
        ] {
            if let Some(count) = count {
                series.push(out, count);
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
        self.total
            .states
            .iter_mut()
            .for_each(|(_, _, counter)| counter.reset());
        self.cpus.clear();
        self.context_switches.reset();
        self.forks.reset();
        self.read_at = None;
    }
}

impl CpuStates {
    fn register(
        catalog: &Catalog,
        metric: MetricHandle<u64>,
        resource: Resource,
        times: &CpuTimes,
        iowait: bool,
    ) -> Self {
        let ticks_per_second = ticks_per_second();
        let states = STATES.iter().zip(times).enumerate();
        let states = states.filter(|(_, (state, ticks))| ticks.is_some() && (iowait || **state != IOWAIT));
        let states = states.map(|(column, (state, _))| {
            let series = catalog.series(metric, resource.clone(), Consumer::LocalMachine);
            let series = series.attribute("cpu_state", *state).register();
            (column, series, cpu_ticks(ticks_per_second))
        });
        Self {
            states: states.collect(),
            ticks_per_second,
        }
    }

    /// Pushes what was spent since the previous reading, of which `most` CPU time can have been.
    fn push(&mut self, times: &CpuTimes, most: Duration, out: &mut Accumulator<'_>) {
        for (column, series, counter) in &mut self.states {
            if let Some(ticks) = times[*column] {
                let ticks = counter.update_at(ticks, Some(most)).delta();
                out.push(series, ticks.saturating_mul(1000) / self.ticks_per_second);
            }
        }
    }
}

/// The most that one CPU can plausibly spend in a state: twice the time, because counters of a sleeping CPU are brought
/// up to date late, and two seconds, because polls may be close together.
fn most_of_one_cpu(elapsed: Duration) -> Duration {
    elapsed.saturating_add(Duration::from_secs(1)).saturating_mul(2)
}
