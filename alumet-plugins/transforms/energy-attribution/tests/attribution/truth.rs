//! A machine whose joules are known, measured by sources in a pipeline.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::output::{RecordedSample, Recording, RecordingOutput};
use alumet_core::pipeline::{Pipeline, PipelineBuilder};
use alumet_core::source::{Accumulator, Source};
use alumet_core::testkit::ManualClock;
use alumet_core::time::{Clock, Monotonic};
use alumet_core::{Catalog, Consumer, Failure, Resource, Series, Timestamp};
use alumet_plugin_energy_attribution::{Config, EnergyAttributionPlugin};
use parking_lot::Mutex;

use crate::stage::{CPU_TIME, KERNEL_TIME, RAPL, process};

const CPUS: f64 = 8.0;
/// What the machine draws in any case, and what a CPU second costs.
const IDLE_WATTS: f64 = 20.0;
const JOULES_PER_SECOND: f64 = 30.0;
const PATIENCE: Duration = Duration::from_secs(10);

/// The truth: how much of a CPU each process uses, and what all have used since the start, in nanoseconds.
#[derive(Default)]
struct World {
    shares: BTreeMap<u32, f64>,
    used: BTreeMap<u32, f64>,
    born: BTreeMap<u32, Timestamp>,
    now: Option<Monotonic>,
}

impl World {
    /// Lets it go on until an instant.
    fn until(&mut self, now: Monotonic) {
        let passed = self
            .now
            .replace(now)
            .map_or(0.0, |before| now.since(before).as_nanos() as f64);
        for (pid, share) in &self.shares {
            *self.used.entry(*pid).or_default() += share * passed;
        }
    }

    fn all_used(&self) -> f64 {
        self.used.values().sum()
    }

    fn joules(&self, now: Monotonic) -> f64 {
        IDLE_WATTS * now.as_nanos() as f64 / 1e9 + JOULES_PER_SECOND * self.all_used() / 1e9
    }
}

struct Packages {
    world: Arc<Mutex<World>>,
    series: Series<f64>,
    counted: Option<f64>,
}

impl Source for Packages {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let now = out.tick().monotonic;
        let mut world = self.world.lock();
        world.until(now);
        let joules = world.joules(now);
        let before = self.counted.replace(joules).unwrap_or(joules);
        out.push(&self.series, joules - before);
        Ok(())
    }
}

struct CpuTimes {
    world: Arc<Mutex<World>>,
    busy: Series<u64>,
    idle: Series<u64>,
    /// What was told so far, in nanoseconds and for the machine in milliseconds.
    processes: BTreeMap<u32, (Series<u64>, u64)>,
    told: Option<(u64, u64)>,
}

impl Source for CpuTimes {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let now = out.tick().monotonic;
        let mut world = self.world.lock();
        world.until(now);
        let busy = (world.all_used() / 1e6) as u64;
        let idle = (CPUS * now.as_nanos() as f64 / 1e6) as u64 - busy;
        let (busy_before, idle_before) = self.told.replace((busy, idle)).unwrap_or((busy, idle));
        out.push(&self.busy, busy - busy_before);
        out.push(&self.idle, idle - idle_before);
        let metric = out.catalog().metric(&CPU_TIME)?;
        let all: Vec<_> = world.shares.keys().copied().collect();
        for pid in all {
            self.processes.entry(pid).or_insert_with(|| {
                let series = out.catalog().series(metric, Resource::LocalMachine, process(pid));
                let series = series.attribute("kind", "user").register();
                out.push_at(&series, world.born[&pid], 0);
                (series, 0)
            });
        }
        // Whose process has ended is read once more.
        self.processes.retain(|pid, (series, told)| {
            let used = world.used.get(pid).copied().unwrap_or(0.0) as u64;
            out.push(series, used - std::mem::replace(told, used));
            world.shares.contains_key(pid)
        });
        Ok(())
    }
}

struct Stage {
    pipeline: Pipeline,
    recording: Recording,
    clock: ManualClock,
    world: Arc<Mutex<World>>,
}

impl Stage {
    fn new(states: &Path) -> Self {
        let clock = ManualClock::new();
        let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone())).state_dir(states);
        let catalog = builder.catalog().clone();
        let world = Arc::new(Mutex::new(World::default()));
        let package = Resource::CpuPackage { id: 0 };
        let energy = catalog.series(catalog.metric(&RAPL).unwrap(), package, Consumer::LocalMachine);
        let packages = Packages {
            world: Arc::clone(&world),
            series: energy.attribute("domain", "package").register(),
            counted: None,
        };
        let kernel = |catalog: &Catalog, state| {
            let metric = catalog.metric(&KERNEL_TIME).unwrap();
            let series = catalog.series(metric, Resource::LocalMachine, Consumer::LocalMachine);
            series.attribute("cpu_state", state).register()
        };
        let times = CpuTimes {
            world: Arc::clone(&world),
            busy: kernel(&catalog, "user"),
            idle: kernel(&catalog, "idle"),
            processes: BTreeMap::new(),
            told: None,
        };
        builder.source("packages", packages).every(Duration::from_secs(1));
        builder.source("times", times).every(Duration::from_millis(250));
        builder
            .plugin::<EnergyAttributionPlugin>(Config::default())
            .unwrap();
        let output = RecordingOutput::new();
        let recording = output.recording();
        builder.output("recording", output);
        let pipeline = builder.start().unwrap();
        pipeline.control().flush().unwrap();
        Self {
            pipeline,
            recording,
            clock,
            world,
        }
    }

    fn pass(&self, milliseconds: u64) {
        self.clock.advance(Duration::from_millis(milliseconds));
        self.pipeline.control().flush().unwrap();
    }

    fn seconds(&self, seconds: u64) {
        (0..4 * seconds).for_each(|_| self.pass(250));
    }

    fn runs(&self, pid: u32, share: f64) {
        let (now, mut world) = (self.clock.now(), self.world.lock());
        world.until(now.monotonic);
        world.shares.insert(pid, share);
        world.born.entry(pid).or_insert(now.wall);
    }

    /// For long enough to learn what it draws then.
    fn is_quiet(&self) {
        for share in [0.02, 0.2, 0.05, 0.3, 0.1, 0.25, 0.04, 0.15, 0.1] {
            self.runs(1, share);
            self.seconds(1);
        }
    }

    fn ends(&self, pid: u32) {
        self.world.lock().until(self.clock.now().monotonic);
        self.world.lock().shares.remove(&pid);
    }

    /// The joules of `part`, or of a process, in all samples so far.
    fn joules(&self, whose: &str) -> f64 {
        let is_it = |sample: &&RecordedSample| {
            let series = &sample.series;
            let part = series.attributes().get("part").map(ToString::to_string);
            series.metric.name == "attributed_energy"
                && part.unwrap_or_else(|| series.consumer().to_string()) == whose
        };
        self.recording
            .samples()
            .iter()
            .filter(is_it)
            .map(|sample| sample.value.as_f64())
            .sum()
    }
}

#[test]
fn the_joules_of_two_consumers_are_what_they_cost_once_the_idle_power_is_known_and_it_outlives_a_restart() {
    let states = tempfile::tempdir().unwrap();
    let stage = Stage::new(states.path());
    stage.is_quiet();
    let text = stage.pipeline.control().explain(&process(1)).unwrap();
    assert!(!text.contains("not known"), "{text}");
    // From now on, with the idle power known, under full load.
    let before = ["process:1", "process:2", "idle", "unattributed"].map(|whose| stage.joules(whose));
    stage.runs(1, 2.0);
    stage.runs(2, 6.0);
    stage.seconds(20);
    let after = ["process:1", "process:2", "idle", "unattributed"].map(|whose| stage.joules(whose));
    let [one, two, idle, unattributed] = std::array::from_fn(|index| after[index] - before[index]);
    for (found, expected) in [(one, 20.0 * 60.0), (two, 20.0 * 180.0), (idle, 400.0)] {
        assert!(
            (found - expected).abs() <= 0.01 * expected,
            "{found} J instead of {expected} J"
        );
    }
    assert!(unattributed < 1.0, "{unattributed}");
    assert!(stage.pipeline.stop(PATIENCE).ledger.is_balanced());
    // It begins under full load, and knows all the same.
    let stage = Stage::new(states.path());
    stage.runs(1, 8.0);
    stage.seconds(3);
    let [one, idle] = ["process:1", "idle"].map(|whose| stage.joules(whose));
    assert!((idle - 40.0).abs() < 0.4 + 20.0, "{idle}");
    assert!((one / idle - 12.0).abs() < 0.2, "{one} and {idle}");
    stage.pipeline.stop(PATIENCE);
}

#[test]
fn the_joules_of_many_that_come_and_go_are_what_they_cost() {
    let states = tempfile::tempdir().unwrap();
    let stage = Stage::new(states.path());
    stage.is_quiet();
    // Late and missed ticks, and processes that live for some of them.
    let before = stage.joules("unattributed");
    let mut pid = 100;
    for round in 0..200_u64 {
        stage.runs(pid, 0.01 + (round % 7) as f64 / 10.0);
        pid += 1;
        if pid > 110 {
            stage.ends(pid - 10);
        }
        stage.pass([251, 249, 400, 103, 1, 996, 250, 17, 333, 650][round as usize % 10]);
    }
    (1..pid).for_each(|pid| stage.ends(pid));
    stage.seconds(3);
    let all = stage.world.lock().used.clone();
    let mut off = 0.0;
    // The first one was there while the idle power was learnt.
    for (pid, used) in all.range(100..) {
        off += (stage.joules(&format!("process:{pid}")) - used / 1e9 * JOULES_PER_SECOND).abs();
    }
    let sum = stage.world.lock().all_used() / 1e9 * JOULES_PER_SECOND;
    let unattributed = stage.joules("unattributed") - before;
    assert!(
        off <= 2e-4 * sum && unattributed <= 2e-4 * sum,
        "{off} J and {unattributed} J of {sum} J are wrong"
    );
    assert!(stage.pipeline.stop(PATIENCE).ledger.is_balanced());
}
