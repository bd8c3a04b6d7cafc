//! Energy that is integrated from power, against a curve of which the integral is known.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::time::Duration;

use alumet_core::catalog::Catalog;
use alumet_core::output::RecordedSample;
use alumet_core::source::{Accumulator, Tick};
use alumet_core::testkit::ManualClock;
use alumet_core::time::Clock;
use alumet_core::unit::Unit;
use alumet_core::{Consumer, Resource};
use alumet_shared_energy_counter::{PowerIntegral, ReadAt};

alumet_core::metrics! {
    ENERGY = Delta<f64> {
        name: "energy", unit: Unit::JOULE, description: "For tests.", quality: Modelled,
    };
}

struct Desk {
    clock: ManualClock,
    catalog: Catalog,
    integral: PowerIntegral,
}

impl Desk {
    fn new() -> Self {
        let catalog = Catalog::new();
        let metric = catalog.metric(&ENERGY).unwrap();
        let series = catalog.series(metric, Resource::LocalMachine, Consumer::LocalMachine);
        Self {
            clock: ManualClock::new(),
            integral: PowerIntegral::new(series.register(), 1.0),
            catalog,
        }
    }

    /// The energy that a reading makes, in joules.
    fn read(&mut self, watts: f64) -> f64 {
        self.read_mean(watts, Duration::ZERO)
    }

    /// The same of the mean of this time.
    fn read_mean(&mut self, watts: f64, window: Duration) -> f64 {
        let now = self.clock.now();
        let tick = Tick {
            timestamp: now.wall,
            monotonic: now.monotonic,
            missed: 0,
        };
        let mut batch = self.catalog.batch();
        let mut out = Accumulator::new(&mut batch, tick, &self.clock);
        self.integral
            .push_mean(watts, window, ReadAt::between(tick, now, now), &mut out);
        RecordedSample::of_batch(&batch)[0].value.as_f64()
    }
}

#[test]
fn a_wave_of_power_is_integrated_within_the_bound_of_the_trapezoidal_rule() {
    let mut desk = Desk::new();
    // 200 W ± 100 W with a period of 20 s, read each 500 ms.
    let watts = |at: f64| 200.0 + 100.0 * (std::f64::consts::TAU * at / 20.0).sin();
    let step = Duration::from_millis(500);
    let mut sum = desk.read(watts(0.0));
    assert_eq!(sum, 0.0);
    for tick in 1..=20 {
        desk.clock.advance(step);
        sum += desk.read(watts(f64::from(tick) * 0.5));
    }
    // Half a period: 2000 J and the area of one arc.
    let truth = 200.0 * 10.0 + 100.0 * 20.0 / std::f64::consts::PI;
    // h² / 12 · length · the largest second derivative.
    let bound = 0.25 / 12.0 * 10.0 * 100.0 * (std::f64::consts::TAU / 20.0).powi(2);
    assert!((sum - truth).abs() <= bound, "{sum} instead of {truth}");
    assert!((sum - truth).abs() / truth < 0.001);
}

/// Watts of a device that draws 50 W and, in the seconds 3 to 7, 250 W.
fn step(at: f64) -> f64 {
    if (3.0..7.0).contains(&at) { 250.0 } else { 50.0 }
}

/// The joules of ten seconds of it by these readings.
fn joules_of_step(millis: u32, mut read: impl FnMut(&mut Desk, f64) -> f64) -> f64 {
    let mut desk = Desk::new();
    let readings = (0..=10_000 / millis).map(|tick| f64::from(tick * millis) / 1000.0);
    let joules = readings.map(|at| {
        let joules = read(&mut desk, at);
        desk.clock.advance(Duration::from_millis(millis.into()));
        joules
    });
    joules.sum()
}

const JOULES_OF_STEP: f64 = 10.0 * 50.0 + 4.0 * 200.0;

#[test]
fn power_of_the_moment_errs_by_half_an_interval_of_each_change() {
    for millis in [100, 250, 1000] {
        let joules = joules_of_step(millis, |desk, at| desk.read(step(at)));
        let bound = 2.0 * 200.0 * f64::from(millis) / 1000.0 / 2.0;
        assert!(
            (joules - JOULES_OF_STEP).abs() <= bound + 1e-6,
            "{millis} ms: {joules}"
        );
    }
}

#[test]
fn a_mean_power_of_the_second_before_loses_nothing() {
    // In steps of a millisecond.
    let mean = |at: f64| {
        (0..1000)
            .map(|millis| step(at - f64::from(millis) / 1000.0))
            .sum::<f64>()
            / 1000.0
    };
    for millis in [200, 500, 1000] {
        let window = Duration::from_secs(1);
        let joules = joules_of_step(millis, |desk, at| desk.read_mean(mean(at), window));
        assert!((joules - JOULES_OF_STEP).abs() < 2.0, "{millis} ms: {joules}");
    }
}

#[test]
fn one_missing_reading_is_bridged_and_after_two_the_series_begins_anew() {
    let mut desk = Desk::new();
    desk.read(100.0);
    desk.integral.miss();
    desk.clock.advance(Duration::from_secs(2));
    assert_eq!(desk.read(200.0), 300.0);
    desk.integral.miss();
    desk.integral.miss();
    desk.clock.advance(Duration::from_secs(3));
    assert_eq!(desk.read(200.0), 0.0);
    desk.clock.advance(Duration::from_secs(1));
    assert_eq!(desk.read(200.0), 200.0);
}

#[test]
fn what_was_used_while_the_machine_slept_is_not_known() {
    let mut desk = Desk::new();
    desk.read(100.0);
    desk.clock.advance(Duration::from_secs(1));
    let wall = desk.clock.now().wall;
    desk.clock
        .set_wall(wall.saturating_add(Duration::from_secs(3600)));
    assert_eq!(desk.read(100.0), 0.0);
}
