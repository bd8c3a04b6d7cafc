//! CPU time per state, context switches, forks, running and blocked threads.

use std::iter::once;
use std::time::Duration;

use alumet_core::catalog::{Catalog, MetricHandle};
use alumet_core::counter::{Counter, DeltaSeries};
use alumet_core::plugin::Finding;
use alumet_core::source::{Accumulator, Source};
use alumet_core::time::Monotonic;
use alumet_core::{Consumer, Failure, Resource, Series};
use alumet_reader_procfs::stat::{self, KernelStat, STATES};
use alumet_reader_procfs::{SystemRoot, Table, ticks_per_second};

use super::{Opened, of_machine};
use crate::increments::{cpu_ticks, endless};
use crate::metrics;
use crate::notes::count;
use crate::present::Present;

/// What is told of.
pub(crate) const SUBJECT: &str = "CPU time";

/// Makes samples of `/proc/stat`.
pub(crate) struct KernelSource {
    file: Table<KernelStat>,
    cpu_time: MetricHandle<u64>,
    iowait: bool,
    ticks_per_second: u64,
    /// All CPUs together, and each.
    cpus: Present<Resource, States>,
    /// Context switches and forks.
    events: [DeltaSeries; 2],
    /// Running and blocked threads.
    threads: [Series<u64>; 2],
    read_at: Option<Monotonic>,
}

/// Time spent in each of the [`STATES`]; a series is made with its first reading.
type States = [Option<(Series<u64>, Counter)>; STATES.len()];

pub(crate) fn open(iowait: bool, root: &SystemRoot, catalog: &Catalog) -> Opened<KernelSource> {
    let mut file = stat::table(root);
    let cpus = file.read()?.cpus.len();
    let delta = |metric| DeltaSeries::new(of_machine(catalog, metric).register(), endless());
    let gauge = |metric| of_machine(catalog, metric).register();
    let source = KernelSource {
        file,
        cpu_time: catalog.metric(&metrics::KERNEL_CPU_TIME)?,
        iowait,
        ticks_per_second: ticks_per_second(),
        cpus: Present::new(),
        events: [
            delta(catalog.metric(&metrics::KERNEL_CONTEXT_SWITCHES)?),
            delta(catalog.metric(&metrics::KERNEL_NEW_FORKS)?),
        ],
        threads: [
            gauge(catalog.metric(&metrics::KERNEL_N_PROCS_RUNNING)?),
            gauge(catalog.metric(&metrics::KERNEL_N_PROCS_BLOCKED)?),
        ],
        read_at: None,
    };
    let finding = Finding::works(SUBJECT, format!("of {}", count(cpus, "CPU")));
    Ok((Some(source), finding))
}

impl Source for KernelSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let stat = self.file.read()?;
        let now = out.tick().monotonic;
        let last = self.read_at.replace(now).unwrap_or(now);
        let most_of_one = most_of_one_cpu(now.since(last));

        let number = u32::try_from(stat.cpus.len().max(1)).unwrap_or(u32::MAX);
        let all = once((Resource::LocalMachine, &stat.total, number));
        let each = stat
            .cpus
            .iter()
            .map(|line| (Resource::CpuCore { id: line.cpu }, &line.times, 1));
        self.cpus.begin();
        for (resource, times, number) in all.chain(each) {
            let most = most_of_one.saturating_mul(number);
            let states = self.cpus.entry(&resource, Default::default);
            for ((state, place), ticks) in STATES.iter().zip(states).zip(times) {
                let Some(ticks) = ticks.filter(|_| self.iowait || *state != "iowait") else {
                    continue;
                };
                let (series, counter) = place.get_or_insert_with(|| {
                    let series =
                        out.catalog()
                            .series(self.cpu_time, resource.clone(), Consumer::LocalMachine);
                    let series = series.attribute("cpu_state", *state).register();
                    (series, cpu_ticks(self.ticks_per_second))
                });
                let ticks = counter.update_at(ticks, Some(most)).delta();
                out.push(series, ticks.saturating_mul(1000) / self.ticks_per_second);
            }
        }
        self.cpus.end();

        for (series, count) in self.events.iter_mut().zip([stat.context_switches, stat.forks]) {
            if let Some(count) = count {
                series.push(out, count);
            }
        }
        for (series, count) in self.threads.iter().zip([stat.procs_running, stat.procs_blocked]) {
            if let Some(count) = count {
                out.push(series, count);
            }
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.cpus.clear();
        self.events.iter_mut().for_each(DeltaSeries::reset);
        self.read_at = None;
    }
}

/// The most that one CPU can plausibly spend in a state: twice the time, because counters of a sleeping CPU are brought
/// up to date late, and two seconds, because polls may be close together.
fn most_of_one_cpu(elapsed: Duration) -> Duration {
    elapsed.saturating_add(Duration::from_secs(1)).saturating_mul(2)
}
