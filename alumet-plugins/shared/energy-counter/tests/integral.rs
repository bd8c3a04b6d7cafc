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
        let now = self.clock.now();
        let tick = Tick {
            timestamp: now.wall,
            monotonic: now.monotonic,
            missed: 0,
        };
        let mut batch = self.catalog.batch();
        let mut out = Accumulator::new(&mut batch, tick, &self.clock);
        self.integral
            .push(watts, ReadAt::between(tick, now, now), &mut out);
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
