//! How fast the store takes samples while clients ask.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use alumet_core::Catalog;
use alumet_core::measure::measure;
use alumet_shared_query::Range;
use alumet_shared_series_store::SeriesStore;
use tokio::runtime::{Builder, Handle};

use crate::machine::{Machine, Pods};
use crate::place::{DAY, HOUR, MINUTE, SECOND, now, open, settle_store};
use crate::question::{Asker, all_of, energy_of, memory_of, ms, steps};

/// How often all is measured, alternately.
const ROUNDS: usize = 3;
const PODS: usize = 1000;

/// Who asks meanwhile.
#[derive(Debug, Clone, Copy)]
enum Clients {
    None,
    /// Each so many times a second.
    Paced(usize),
    /// Each again as soon as it has an answer.
    Unpaced,
}

/// What happened in a time without clients, or with.
#[derive(Debug, Default)]
struct Phase {
    samples: usize,
    /// Time in which samples were appended and committed, and CPU time of the thread that did.
    writing: Duration,
    writing_cpu: Duration,
    /// CPU time of the thread that merges.
    keeping_cpu: Duration,
    /// CPU time of all others.
    asking_cpu: Duration,
    all: Duration,
    /// How long each answer took.
    answers: Vec<Duration>,
}

/// A store into which samples come as fast as it takes them.
struct Ingest {
    store: SeriesStore,
    catalog: Catalog,
    machine: Machine,
    groups: usize,
    /// When the first sample of the machine was, and the last one that is on disk.
    begin: i64,
    committed: AtomicI64,
}

/// So many clients, each of which asks so many times a second, or all the time.
pub(crate) fn run(count: usize, series: usize, seconds: usize, pace: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut ingest = Ingest::new(open(folder.path()), series.div_ceil(8));
    settle_store(&ingest.store, folder.path());
    let runtime = Builder::new_multi_thread().worker_threads(1).build();
    let runtime = runtime.expect("a runtime");
    let kinds = [Clients::None, Clients::Paced(pace), Clients::Unpaced];
    let mut phases: [Vec<Phase>; 3] = Default::default();
    for _ in 0..ROUNDS {
        for (phases, clients) in phases.iter_mut().zip(kinds) {
            let time = Duration::from_secs(seconds as u64);
            phases.push(ingest.phase(clients, count, time, runtime.handle()));
        }
    }
    println!(
        "{} series, each commit synced and of one sample of each; medians of {ROUNDS} times {seconds} s, alternately:",
        series.next_multiple_of(8)
    );
    let [without, ..] = &phases;
    for (phases, clients) in phases.iter().zip(kinds) {
        match clients {
            Clients::None => println!("no clients"),
            Clients::Paced(pace) => println!("{count} clients, each {pace} questions/s"),
            Clients::Unpaced => println!("{count} clients, each again as soon as it has an answer"),
        }
        report(phases, without);
    }
}

fn report(phases: &[Phase], without: &[Phase]) {
    for (name, rate) in [
        ("by the clock", Phase::by_the_clock as fn(&Phase) -> f64),
        ("per core, append and commit", Phase::per_core),
        ("per core, merging included", Phase::per_core_with_merging),
    ] {
        let (with, without) = (median(phases, rate), median(without, rate));
        println!(
            "  {:>8.3} M samples/s {name}, {:.0} % of that without clients",
            with / 1e6,
            with / without * 100.0
        );
    }
    let all: Duration = phases.iter().map(|phase| phase.all).sum();
    let cores = |cpu: fn(&Phase) -> Duration| {
        let cpu: Duration = phases.iter().map(cpu).sum();
        cpu.as_secs_f64() / all.as_secs_f64()
    };
    println!(
        "  cores: {:.2} append and commit, {:.2} merge, {:.2} answer",
        cores(|phase| phase.writing_cpu),
        cores(|phase| phase.keeping_cpu),
        cores(|phase| phase.asking_cpu)
    );
    let mut answers: Vec<Duration> = phases.iter().flat_map(|phase| phase.answers.clone()).collect();
    answers.sort();
    if let Some(longest) = answers.last() {
        println!(
            "  {:.0} answers/s, p50 {:.2} ms, p99 {:.2} ms, at most {:.2} ms",
            answers.len() as f64 / all.as_secs_f64(),
            ms(answers[answers.len() / 2]),
            ms(answers[answers.len() * 99 / 100]),
            ms(*longest)
        );
    }
}

fn median(phases: &[Phase], rate: fn(&Phase) -> f64) -> f64 {
    let mut rates: Vec<f64> = phases.iter().map(rate).collect();
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

impl Phase {
    fn by_the_clock(&self) -> f64 {
        self.samples as f64 / self.writing.as_secs_f64()
    }

    fn per_core(&self) -> f64 {
        self.samples as f64 / self.writing_cpu.as_secs_f64()
    }

    fn per_core_with_merging(&self) -> f64 {
        self.samples as f64 / (self.writing_cpu + self.keeping_cpu).as_secs_f64()
    }
}

impl Ingest {
    /// Stores a day of pods, and then an hour of a machine.
    fn new(store: SeriesStore, groups: usize) -> Self {
        let catalog = Catalog::new();
        let begin = now() - DAY;
        let mut pods = Pods::new(&catalog, PODS);
        for at in (begin - DAY..begin).step_by(60 * SECOND as usize) {
            let batch = pods.batch(&catalog, at);
            store.append(&catalog, batch.samples()).expect("room");
        }
        let mut machine = Machine::new(&catalog, groups, begin);
        for _ in 0..HOUR / SECOND {
            let batch = machine.batch(&catalog, 100);
            store.append(&catalog, batch.samples()).expect("room");
        }
        store.commit().expect("room");
        Self {
            committed: AtomicI64::new(machine.now()),
            store,
            catalog,
            machine,
            groups,
            begin,
        }
    }

    /// Appends for so long while so many clients ask.
    fn phase(&mut self, clients: Clients, count: usize, time: Duration, runtime: &Handle) -> Phase {
        let is_over = AtomicBool::new(false);
        let keeping = keeper_cpu();
        let all = measure(|| {
            scope(|threads| {
                let Self {
                    store,
                    catalog,
                    machine,
                    groups,
                    begin,
                    committed,
                } = self;
                let count = match clients {
                    Clients::None => 0,
                    _ => count,
                };
                let client = Client {
                    count,
                    asker: Asker { store, runtime },
                    groups: *groups,
                    begin: *begin,
                    committed,
                    is_over: &is_over,
                };
                let clients: Vec<_> = (0..count)
                    .map(|number| threads.spawn(move || client.ask(number, clients)))
                    .collect();
                let mut phase = Phase::default();
                let own = measure(|| phase.write(store, catalog, machine, committed, time));
                is_over.store(true, Ordering::Relaxed);
                for client in clients {
                    phase.answers.extend(client.join().expect("a client"));
                }
                (phase, own.usage.cpu_time)
            })
        });
        let (mut phase, own_cpu) = all.value;
        phase.all = all.usage.elapsed;
        phase.keeping_cpu = keeper_cpu() - keeping;
        phase.asking_cpu = all
            .usage
            .process_cpu_time
            .saturating_sub(own_cpu + phase.keeping_cpu);
        phase
    }
}

impl Phase {
    fn write(
        &mut self,
        store: &SeriesStore,
        catalog: &Catalog,
        machine: &mut Machine,
        committed: &AtomicI64,
        time: Duration,
    ) {
        let start = Instant::now();
        while start.elapsed() < time {
            let batch = machine.batch(catalog, 100);
            let written = measure(|| {
                let refused = store.append(catalog, batch.samples()).expect("room");
                assert!(refused.is_empty(), "the clock of the machine has gone too far");
                store.commit().expect("room");
            });
            committed.store(machine.now(), Ordering::Relaxed);
            self.samples += batch.len();
            self.writing += written.usage.elapsed;
            self.writing_cpu += written.usage.cpu_time;
        }
    }
}

/// Asks one thing after another: the latest of a control group, one series of the last hour by the minute, and the energy of a
/// pod in a day.
#[derive(Clone, Copy)]
struct Client<'a> {
    /// How many there are.
    count: usize,
    asker: Asker<'a>,
    groups: usize,
    begin: i64,
    committed: &'a AtomicI64,
    is_over: &'a AtomicBool,
}

impl Client<'_> {
    fn ask(&self, number: usize, clients: Clients) -> Vec<Duration> {
        let mut answers = Vec::new();
        let start = Instant::now();
        for turn in 0.. {
            if let Clients::Paced(pace) = clients {
                // Not all at once.
                let turns = turn as f64 + number as f64 / self.count as f64;
                let due = start + Duration::from_secs_f64(turns / pace as f64);
                sleep(due.saturating_duration_since(Instant::now()));
            }
            if self.is_over.load(Ordering::Relaxed) {
                break;
            }
            let asked = Instant::now();
            let group = (number + turn * 31) % self.groups;
            let (found, expected) = match (number + turn) % 3 {
                0 => {
                    let latest = self.asker.samples(&all_of(group), Range::ALL, Some(1));
                    (latest, 8)
                }
                1 => {
                    let until = self.committed.load(Ordering::Relaxed);
                    let hour = steps(HOUR, until, MINUTE);
                    (self.asker.buckets(&memory_of(group), hour), 60)
                }
                _ => {
                    let day = steps(DAY, self.begin, HOUR);
                    (self.asker.buckets(&energy_of(group % PODS), day), 24)
                }
            };
            answers.push(asked.elapsed());
            assert!(found >= expected, "{found} in an answer, not {expected}");
        }
        answers
    }
}

/// CPU time of the thread of the store that merges.
fn keeper_cpu() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").expect("the threads");
    let nanos = tasks.flatten().filter_map(|task| {
        let name = fs::read_to_string(task.path().join("comm")).ok()?;
        let counted = fs::read_to_string(task.path().join("schedstat")).ok()?;
        let nanos = counted.split(' ').next()?.parse::<u64>().ok()?;
        (name.trim() == "store-keeper").then_some(nanos)
    });
    Duration::from_nanos(nanos.sum())
}
