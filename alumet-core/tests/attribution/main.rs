//! Energy that is measured every second is shared over consumers that are measured four times as often: an example of a
//! transform that waits. What it shares is what was measured, whatever the sources and the clock do.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends with a panic when something is missing"
)]

mod share;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::failure::Failure;
use alumet_core::output::{Recording, RecordingOutput};
use alumet_core::pipeline::{Pipeline, PipelineBuilder};
use alumet_core::source::{Accumulator, Source};
use alumet_core::testkit::ManualClock;
use alumet_core::time::{Clock, Monotonic};
use alumet_core::{Consumer, Resource, Series, Timestamp};
use parking_lot::Mutex;

use share::{Attribution, CPU_TIME, ENERGY};

const SECOND: Duration = Duration::from_secs(1);
const QUARTER: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_secs(10);

/// 30 W and 20 W.
struct Packages {
    series: Vec<Series<u64>>,
    read_at: Option<Monotonic>,
}

impl Source for Packages {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let now = out.tick().monotonic;
        let passed = self
            .read_at
            .replace(now)
            .map_or(Duration::ZERO, |before| now.since(before));
        for (series, watts) in self.series.iter().zip([30, 20]) {
            out.push(series, watts * passed.as_nanos() as u64);
        }
        Ok(())
    }
}

/// Processes, each with the part of a CPU that it uses, in percent.
type Processes = Arc<Mutex<BTreeMap<u32, u64>>>;

struct CpuTimes {
    processes: Processes,
    series: BTreeMap<u32, (Series<u64>, Monotonic)>,
}

impl Source for CpuTimes {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let now = out.tick().monotonic;
        let metric = out.catalog().metric(&CPU_TIME)?;
        let processes = self.processes.lock();
        self.series.retain(|pid, _| processes.contains_key(pid));
        for (&pid, percent) in processes.iter() {
            let (series, read_at) = self.series.entry(pid).or_insert_with(|| {
                let process = Consumer::Process { pid };
                let series = out.catalog().series(metric, Resource::LocalMachine, process);
                (series.register(), now)
            });
            let passed = now.since(*read_at).as_nanos() as u64;
            *read_at = now;
            out.push(series, passed * percent / 100);
        }
        Ok(())
    }
}

/// A pipeline that attributes, on a clock to move.
struct Stage {
    pipeline: Pipeline,
    recording: Recording,
    clock: ManualClock,
    processes: Processes,
}

impl Stage {
    fn new(processes: &[(u32, u64)]) -> Self {
        let clock = ManualClock::new();
        let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
        let catalog = builder.catalog().clone();
        let energy = catalog.metric(&ENERGY).unwrap();
        let package = |id| {
            let package = Resource::CpuPackage { id };
            catalog.series(energy, package, Consumer::LocalMachine).register()
        };
        let packages = Packages {
            series: vec![package(0), package(1)],
            read_at: None,
        };
        let processes: Processes = Arc::new(Mutex::new(processes.iter().copied().collect()));
        let times = CpuTimes {
            processes: Arc::clone(&processes),
            series: BTreeMap::new(),
        };
        builder.source("energy", packages).every(SECOND);
        builder.source("times", times).every(QUARTER);
        builder.transform("attribution", Attribution::new(&catalog, PATIENCE).unwrap());
        let output = RecordingOutput::new();
        let recording = output.recording();
        builder.output("recording", output);
        let pipeline = builder.start().unwrap();
        pipeline.control().flush().unwrap();
        Self {
            pipeline,
            recording,
            clock,
            processes,
        }
    }

    fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.pipeline.control().flush().unwrap();
    }

    /// What was measured, attributed and not attributed, in nanojoules.
    fn sums(&self) -> [u64; 3] {
        ["energy", "attributed_energy", "unattributed_energy"].map(|name| {
            let samples = self.recording.samples();
            let of_metric = samples.iter().filter(|sample| sample.series.metric.name == name);
            of_metric.map(|sample| sample.value.as_f64() as u64).sum()
        })
    }

    /// What was attributed to a process in each interval, in joules, of package 0.
    fn shares(&self, pid: u32) -> Vec<f64> {
        let samples = self.recording.samples();
        let shares = samples.iter().filter(|sample| {
            sample.series.metric.name == "attributed_energy"
                && sample.series.resource() == &Resource::CpuPackage { id: 0 }
                && sample.series.consumer() == &Consumer::Process { pid }
        });
        shares.map(|sample| sample.value.as_f64() / 1e9).collect()
    }

    /// Everything that was measured is shared.
    #[track_caller]
    fn assert_conserved(&self) {
        let [measured, attributed, unattributed] = self.sums();
        assert_eq!(measured, attributed + unattributed);
        assert!(measured > 0);
    }
}

#[test]
fn energy_is_shared_by_use_and_exactly_from_the_first_interval_on() {
    let stage = Stage::new(&[(1, 50), (2, 100)]);
    for second in 1..=3 {
        for _ in 0..4 {
            stage.pass(QUARTER);
        }
        assert_eq!(
            stage.sums()[0],
            second * 50_000_000_000,
            "the first second is there"
        );
        stage.assert_conserved();
    }
    assert_eq!(stage.shares(1).len(), 3);
    for (one, two) in stage.shares(1).into_iter().zip(stage.shares(2)) {
        assert!(
            (one - 10.0).abs() < 1e-6 && (two - 20.0).abs() < 1e-6,
            "{one} {two}"
        );
    }
    assert_eq!(share::all().len(), 4);
}

#[test]
fn ticks_that_come_late_change_nothing_about_the_sum() {
    let stage = Stage::new(&[(1, 30), (2, 60), (3, 7)]);
    // Ticks of both sources are late and missed; their intervals straddle each other.
    for millis in [251, 249, 400, 103, 1, 996, 250, 250, 1750, 17, 333, 650] {
        stage.pass(Duration::from_millis(millis));
    }
    stage.pass(SECOND);
    stage.assert_conserved();
    assert!(stage.sums()[2] < 100, "all was used by the three");
}

#[test]
fn a_clock_that_is_set_back_or_forth_shares_every_joule_with_those_that_used_it() {
    let stage = Stage::new(&[(1, 50), (2, 100)]);
    for quarter in 1..=44 {
        match quarter {
            10 => stage
                .clock
                .set_wall(stage.clock.now().wall.saturating_sub(SECOND * 3)),
            30 => stage
                .clock
                .set_wall(stage.clock.now().wall.saturating_add(SECOND * 3600)),
            _ => {}
        }
        stage.pass(QUARTER);
    }
    stage.assert_conserved();
    assert_eq!(stage.sums()[0], 11 * 50_000_000_000);
    let shares = stage.shares(1);
    assert_eq!(shares.len(), 11);
    assert!(
        shares.iter().all(|share| (share - 10.0).abs() < 1e-6),
        "{shares:?}"
    );
}

#[test]
fn consumers_come_and_go_and_have_their_share_of_the_time_that_they_were_there() {
    let stage = Stage::new(&[(1, 100)]);
    for quarter in 1..=20 {
        match quarter {
            // Seen first at 1.5 s and last at 3.25 s.
            6 => drop(stage.processes.lock().insert(2, 100)),
            14 => drop(stage.processes.lock().remove(&2)),
            _ => {}
        }
        stage.pass(QUARTER);
        stage.processes.lock().insert(1000 + quarter, 1);
        stage.processes.lock().remove(&(998 + quarter));
    }
    stage.assert_conserved();
    let shares: Vec<_> = stage.shares(2).iter().map(|share| share.round()).collect();
    // From 1.5 s on, half of two CPU seconds in half a second; then half of all; then what was left at 3.25 s.
    assert_eq!(shares, [10.0, 15.0, 6.0]);
    for _ in 0..8 {
        stage.pass(QUARTER);
    }
    // A series of its own and a share of each package, beside those of the packages.
    let expected = stage.processes.lock().len() * 3 + 4;
    assert_eq!(
        stage.pipeline.catalog().live_series(),
        expected,
        "those that are gone are forgotten"
    );
}

#[test]
fn energy_waits_for_consumers_of_a_source_that_has_stopped_no_longer_than_it_must() {
    let stage = Stage::new(&[(1, 50)]);
    for _ in 0..6 {
        stage.pass(QUARTER);
    }
    stage
        .pipeline
        .control()
        .stop(&"sources/embedded/times".parse().unwrap())
        .unwrap();
    let shared = || stage.sums()[1] + stage.sums()[2];
    let before = shared();
    assert_eq!(before, 50_000_000_000);
    for _ in 0..10 {
        stage.pass(SECOND);
    }
    assert_eq!(shared(), before, "it may still come");
    // Energy of the second 2 was measured at 2.5 s, when the clock was moved on.
    stage.pass(PATIENCE);
    stage.assert_conserved();
    let [measured, ..] = stage.sums();
    stage.pass(SECOND);
    stage.assert_conserved();
    assert!(
        stage.sums()[0] > measured,
        "the one that has stopped is not waited for again"
    );
}

#[test]
fn what_still_waits_is_shared_when_the_pipeline_stops() {
    let stage = Stage::new(&[(1, 50)]);
    stage.pass(Duration::from_millis(1300));
    let report = stage.pipeline.stop(PATIENCE);
    assert!(report.ledger.is_balanced());
    stage.assert_conserved();
    let last = stage.recording.samples().last().unwrap().timestamp;
    assert!(last > Timestamp::default());
}
