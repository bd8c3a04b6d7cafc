//! Whatever sources, clocks and consumers do: consumers, idle and unattributed are together what was measured, at every tick.

use std::collections::{BTreeMap, BTreeSet};

use alumet_core::series::SeriesHandle;
use alumet_core::value::Value;
use alumet_core::{Consumer, Resource};
use alumet_plugin_energy_attribution::Config;
use proptest::prelude::*;

use crate::stage::{GPU_ENERGY, GPU_SM_TIME, Stage, process};

/// In milliseconds.
const BEGIN: u64 = 20_000;

const PER_DOMAIN: &str = r#"
    [models.attributed_energy]
    model = "share_idle"
    energy = [{ metric = "rapl_consumed_energy" }]
    usage = [{ metric = "cpu_time_delta", kind = ["user", "total"] }]
    machine = [{ metric = "kernel_cpu_time", cpu_state = "user" }]
    idle = [{ metric = "kernel_cpu_time", cpu_state = "idle" }]
    per_domain = true
"#;

/// What a random machine does.
#[derive(Debug, Clone)]
struct Machine {
    /// How often energy and usage are read, in milliseconds.
    periods: (u64, u64),
    /// How much later than on its grid each tick is.
    jitter: Vec<u64>,
    /// Which batches come late, and by how many ticks of their source.
    delays: Vec<usize>,
    /// Joules of each read of two packages.
    joules: Vec<(f64, f64)>,
    /// When each consumer begins and ends, in milliseconds, and how much of a CPU it uses.
    consumers: Vec<(u64, u64, f64)>,
    /// How much more than its consumers the machine uses, in parts of a CPU.
    other: f64,
    /// Whether the state of the packages is reset at some time.
    resets_at: Option<u64>,
    /// Whether it was quiet before, so that the idle power is known.
    was_quiet: bool,
    /// Whether each package is shared on its own.
    per_domain: bool,
}

fn machine() -> impl Strategy<Value = Machine> {
    let period = || prop_oneof![Just(100_u64), Just(250), Just(1000), 37_u64..1300];
    (
        (period(), period()),
        proptest::collection::vec(0_u64..60, 1..8),
        proptest::collection::vec(prop_oneof![8 => Just(0_usize), 1 => 1_usize..4], 1..16),
        proptest::collection::vec((0.0..100.0_f64, 0.0..10.0_f64), 1..8),
        proptest::collection::vec((0_u64..8000, 1_u64..8000, 0.0..2.0_f64), 0..10),
        0.0..1.0_f64,
        proptest::option::of(0_u64..8000),
        (any::<bool>(), any::<bool>()),
    )
        .prop_map(
            |(periods, jitter, delays, joules, consumers, other, resets_at, (was_quiet, per_domain))| {
                Machine {
                    periods,
                    jitter,
                    delays,
                    joules,
                    consumers: consumers
                        .into_iter()
                        .map(|(from, lasts, share)| (BEGIN + from, BEGIN + from + lasts, share))
                        .collect(),
                    other,
                    resets_at: resets_at.map(|at| BEGIN + at),
                    was_quiet,
                    per_domain,
                }
            },
        )
}

/// The names of nested and unrelated control groups.
const GROUPS: [&str; 5] = ["/", "/a", "/a/b", "/a/b/c", "/d"];

/// One consumer with its series, as long as it has one.
struct Running {
    series: Option<SeriesHandle>,
    /// Until when it was read; in milliseconds.
    read: u64,
}

/// The energy that was measured, by the timestamp in nanoseconds.
type Measured = BTreeMap<u64, f64>;

/// Lets the machine run for ten seconds.
fn run(machine: &Machine) -> (Stage, Measured) {
    let config = if machine.per_domain {
        Stage::config(PER_DOMAIN)
    } else {
        Config::default()
    };
    let mut stage = Stage::new(config);
    let packages = [stage.package(0), stage.package(1)];
    let (user, idle) = (stage.kernel("user"), stage.kernel("idle"));
    if machine.was_quiet {
        for second in 0..10 {
            let joules = if second == 0 { 0.0 } else { 0.5 };
            let usage = [
                (&user, 10.0),
                (&idle, 4000.0),
                (&packages[0], joules),
                (&packages[1], joules),
            ];
            stage.samples("quiet", second * 1000, usage);
        }
    }
    let mut measured = Measured::new();
    let mut running: Vec<_> = machine
        .consumers
        .iter()
        .map(|_| Running {
            series: None,
            read: 0,
        })
        .collect();
    // Ticks of both sources: instant, whether of energy, and when it comes.
    let mut ticks = Vec::new();
    for (of_energy, period) in [(true, machine.periods.0), (false, machine.periods.1)] {
        let mut last = BEGIN;
        let mut comes = 0;
        for number in 0..(10_000 / period) {
            let jitter = machine.jitter[number as usize % machine.jitter.len()].min(period / 2);
            let at = BEGIN + number * period + jitter;
            let delay = machine.delays[number as usize % machine.delays.len()] as u64 * period;
            // Batches of a stream come in their order.
            comes = comes.max(at + delay);
            ticks.push((comes, at, of_energy, last, number));
            last = at;
        }
    }
    ticks.sort_unstable();
    let mut busy_until = 0.0;
    for (comes, at, of_energy, last, number) in ticks {
        stage.at(comes);
        stage.tick();
        let nanos = at * 1_000_000;
        if of_energy {
            let (one, other) = machine.joules[number as usize % machine.joules.len()];
            let begins = number == 0 || machine.resets_at.is_some_and(|reset| reset > last && reset <= at);
            let (one, other) = if begins { (0.0, 0.0) } else { (one, other) };
            measured.insert(nanos, one + other);
            stage.batch(
                "",
                "energy",
                nanos,
                [(&packages[0], nanos, one), (&packages[1], nanos, other)],
            );
            continue;
        }
        let mut samples = Vec::new();
        let mut used = 0.0;
        for (index, (running, &(from, to, share))) in running.iter_mut().zip(&machine.consumers).enumerate() {
            if running.series.is_none() && from < at && at <= to {
                let series = if index % 2 == 0 {
                    stage.process(index as u32)
                } else {
                    stage.group(GROUPS[index / 2 % GROUPS.len()])
                };
                // It says since when it counts.
                samples.push((series.clone(), from * 1_000_000, 0.0));
                running.series = Some(series);
                running.read = from;
            }
            let Some(series) = &running.series else { continue };
            let cpu = (at.min(to) - running.read) as f64 * 1e6 * share;
            used += cpu;
            samples.push((series.clone(), at.min(to) * 1_000_000, cpu.floor()));
            running.read = at.min(to);
            if at >= to {
                running.series = None;
            }
        }
        // In whole milliseconds, as the kernel tells it.
        busy_until += used / 1e6 + machine.other * (at - last) as f64;
        samples.push((user.clone(), nanos, busy_until.floor()));
        busy_until -= busy_until.floor();
        samples.push((idle.clone(), nanos, 4.0 * (at - last) as f64));
        let samples: Vec<_> = samples
            .iter()
            .map(|(series, nanos, value)| (series, *nanos, *value))
            .collect();
        stage.batch("", "usage", nanos, samples);
    }
    stage.finish();
    (stage, measured)
}

/// What was emitted at one instant.
#[derive(Debug, Default)]
struct Emitted {
    idle: f64,
    unattributed: BTreeMap<String, f64>,
    processes: f64,
    groups: BTreeMap<String, f64>,
}

impl Emitted {
    fn by_instant(stage: &Stage, metric: &str, resource: &Resource) -> BTreeMap<u64, Self> {
        let mut emitted = BTreeMap::<u64, Self>::new();
        let mut begun = BTreeSet::new();
        for sample in stage
            .emitted
            .iter()
            .filter(|sample| sample.series.metric.name == metric)
            .filter(|sample| *resource == Resource::LocalMachine || sample.series.resource() == resource)
        {
            let nanos = sample.timestamp.as_nanos() - crate::stage::wall(0).as_nanos();
            // The 0 with which a series begins is no result.
            if begun.insert(sample.series.to_string()) && sample.value.as_f64() == 0.0 {
                continue;
            }
            let at = emitted.entry(nanos as u64).or_default();
            let Value::F64(value) = sample.value else {
                panic!("{sample}")
            };
            assert!(value >= 0.0 && value.is_finite(), "{sample}");
            let attribute = |key| sample.series.attributes().get(key).map(ToString::to_string);
            match (attribute("part").as_deref(), sample.series.consumer()) {
                (Some("idle"), _) => at.idle += value,
                (Some(_), _) => {
                    let kind = at.unattributed.entry(attribute("consumers").unwrap());
                    *kind.or_default() += value;
                }
                (None, consumer) if consumer.kind() == "process" => at.processes += value,
                (None, consumer) => *at.groups.entry(consumer.id().to_string()).or_default() += value,
            }
        }
        emitted
    }

    /// The groups that no other one contains that has a result.
    fn outermost(&self) -> f64 {
        let is_inside = |inner: &str, outer: &str| {
            inner != outer && inner.starts_with(&format!("{}/", outer.trim_end_matches('/')))
        };
        let outermost = self
            .groups
            .iter()
            .filter(|(inner, _)| !self.groups.keys().any(|outer| is_inside(inner, outer)));
        outermost.map(|(_, joules)| joules).sum()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn at_every_tick_the_parts_are_together_what_was_measured(machine in machine()) {
        let (stage, measured) = run(&machine);
        let emitted = Emitted::by_instant(&stage, "attributed_energy", &Resource::LocalMachine);
        for (nanos, parts) in &emitted {
            let energy = measured[nanos];
            prop_assert!(parts.idle > 0.0 || !machine.was_quiet || energy == 0.0, "{nanos}: {parts:?}");
            for (kind, unattributed) in &parts.unattributed {
                let consumers = if kind == "process" { parts.processes } else { parts.outermost() };
                let sum = consumers + parts.idle + unattributed;
                prop_assert!((sum - energy).abs() <= 1e-12 * energy.max(1.0), "{nanos}: {sum} of {energy}, {parts:?}");
            }
        }
        // Nothing waits any more, and nothing was left out once there was a consumer.
        let first = emitted.keys().next().copied().unwrap_or(u64::MAX);
        let mut later = measured.range(first..).filter(|(_, energy)| **energy > 0.0);
        prop_assert!(later.all(|(nanos, _)| emitted.contains_key(nanos)));
    }
}

/// What two GPUs do, each on a stream of its own.
#[derive(Debug, Clone)]
struct Gpus {
    /// How often each is read, in milliseconds.
    periods: [u64; 2],
    jitter: Vec<u64>,
    joules: Vec<f64>,
    /// Which GPU each process uses, when it begins and ends, in milliseconds, and how much of the GPU it uses.
    processes: Vec<(usize, u64, u64, f64)>,
}

fn gpus() -> impl Strategy<Value = Gpus> {
    let period = || prop_oneof![Just(100_u64), Just(1000), 37_u64..1300];
    (
        [period(), period()],
        proptest::collection::vec(0_u64..60, 1..8),
        proptest::collection::vec(0.0..300.0_f64, 1..8),
        proptest::collection::vec((0_usize..2, 0_u64..8000, 1_u64..8000, 0.0..1.0_f64), 1..8),
    )
        .prop_map(|(periods, jitter, joules, processes)| Gpus {
            periods,
            jitter,
            joules,
            processes: processes
                .into_iter()
                .map(|(gpu, from, lasts, share)| (gpu, BEGIN + from, BEGIN + from + lasts, share))
                .collect(),
        })
}

/// The resources, and the joules of each, by the timestamp in nanoseconds.
fn run_gpus(gpus: &Gpus) -> (Stage, [(Resource, Measured); 2]) {
    const STREAMS: [&str; 2] = ["one", "two"];
    let mut stage = Stage::new(Config::default());
    let mut measured = STREAMS.map(|id| (Resource::Gpu { bus_id: id.into() }, Measured::new()));
    let energies = measured
        .each_ref()
        .map(|(gpu, _)| stage.series(&GPU_ENERGY, gpu, &Consumer::LocalMachine, &[]));
    let mut ticks = Vec::new();
    for (gpu, period) in gpus.periods.into_iter().enumerate() {
        let mut last = BEGIN;
        for number in 0..(10_000 / period) {
            let jitter = gpus.jitter[number as usize % gpus.jitter.len()].min(period / 2);
            let at = BEGIN + number * period + jitter;
            ticks.push((at, gpu, last, number));
            last = at;
        }
    }
    ticks.sort_unstable();
    let mut series: Vec<Option<SeriesHandle>> = vec![None; gpus.processes.len()];
    for (at, gpu, last, number) in ticks {
        stage.at(at);
        stage.tick();
        let nanos = at * 1_000_000;
        let joules = match number {
            0 => 0.0,
            number => gpus.joules[number as usize % gpus.joules.len()],
        };
        measured[gpu].1.insert(nanos, joules);
        let mut samples = vec![(energies[gpu].clone(), nanos, joules * 1000.0)];
        for (index, (of, from, to, share)) in gpus.processes.iter().enumerate() {
            // As a driver tells it: at the poll, and no more after the one that finds it gone.
            if *of != gpu || *from >= at || *to < last {
                continue;
            }
            let own = series[index].get_or_insert_with(|| {
                let own = stage.series(&GPU_SM_TIME, &measured[gpu].0, &process(index as u32), &[]);
                samples.push((own.clone(), last * 1_000_000, 0.0));
                own
            });
            samples.push((own.clone(), nanos, ((at - last) as f64 * 1e6 * share).floor()));
            if *to < at {
                series[index] = None;
            }
        }
        let samples: Vec<_> = samples
            .iter()
            .map(|(series, nanos, value)| (series, *nanos, *value))
            .collect();
        stage.batch("", STREAMS[gpu], nanos, samples);
    }
    stage.finish();
    (stage, measured)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn of_each_gpu_the_parts_are_together_what_it_measured(gpus in gpus()) {
        let (stage, measured) = run_gpus(&gpus);
        for (gpu, measured) in measured {
            let emitted = Emitted::by_instant(&stage, "attributed_gpu_energy", &gpu);
            for (nanos, parts) in &emitted {
                let sum = parts.processes + parts.unattributed["process"];
                let energy = measured[nanos];
                prop_assert!((sum - energy).abs() <= 1e-6 * energy.max(1.0), "{gpu} {nanos}: {sum} of {energy}");
            }
            let first = emitted.keys().next().copied().unwrap_or(u64::MAX);
            let mut later = measured.range(first..).filter(|(_, energy)| **energy > 0.0);
            prop_assert!(later.all(|(nanos, _)| emitted.contains_key(nanos)));
        }
    }
}
