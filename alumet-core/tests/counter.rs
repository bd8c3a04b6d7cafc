//! Counters: wraps, resets, intervals that are too long, and steps back.

use std::time::Duration;

use alumet_core::catalog::Catalog;
use alumet_core::counter::{Ascent, Counter, CounterRange, DeltaSeries, Increment};
use alumet_core::source::{Accumulator, Tick};
use alumet_core::time::Monotonic;
use alumet_core::unit::Unit;
use alumet_core::{Consumer, Resource, Timestamp};
use proptest::prelude::*;

alumet_core::metrics! {
    COUNTED = Delta<u64> {
        name: "counted", unit: Unit::ONE, description: "For tests.",
        resources: ["local_machine"], consumers: ["local_machine"], attributes: [],
    };
}

const SECOND: Option<Duration> = Some(Duration::from_secs(1));

fn after(range: CounterRange, previous: u64) -> Counter {
    let mut counter = Counter::new(range);
    assert_eq!(counter.update(previous), Increment::First);
    counter
}

#[test]
fn a_rising_counter_gives_the_difference() {
    let mut counter = after(CounterRange::Bits32, 10);
    assert_eq!(counter.update(15), Increment::Delta(5));
    assert_eq!(counter.update(15), Increment::Delta(0));
}

#[test]
fn a_counter_that_wraps_keeps_its_joules() {
    assert_eq!(
        after(CounterRange::Bits32, u64::from(u32::MAX)).update(0),
        Increment::Wrapped(1)
    );
    assert_eq!(
        after(CounterRange::Bits32, u64::from(u32::MAX) - 4).update(5),
        Increment::Wrapped(10)
    );
    assert_eq!(
        after(CounterRange::Bits64, u64::MAX).update(0),
        Increment::Wrapped(1)
    );
    assert_eq!(
        after(CounterRange::Bits64, u64::MAX).update(u64::MAX - 1),
        Increment::Wrapped(u64::MAX)
    );
    assert_eq!(after(CounterRange::Max(99), 99).update(0), Increment::Wrapped(1));
    assert_eq!(after(CounterRange::Max(99), 90).update(5), Increment::Wrapped(15));
}

#[test]
fn a_fall_without_a_known_range_is_a_reset() {
    let mut counter = after(CounterRange::Unknown, u64::MAX);
    assert_eq!(counter.update(7), Increment::Reset(7));
    assert_eq!(counter.update(9), Increment::Delta(2));
}

#[test]
fn the_way_back_after_a_fall_is_no_increase() {
    // Bytes of an interface, and the CPU time of a group, that fall to zero for a reading.
    for (height, more) in [(398_444_176_531, 500), (86_400_000_000, 100)] {
        let mut count = after(CounterRange::Unknown, height);
        assert_eq!(count.update(0), Increment::Reset(0));
        assert_eq!(count.update(0), Increment::Delta(0));
        assert_eq!(count.update(height + more), Increment::Delta(more));
        assert_eq!(count.update(height + more + 7), Increment::Delta(7));
        // To within reach of the former height.
        assert_eq!(count.update(3), Increment::Reset(3));
        assert_eq!(count.update(height - 9), Increment::Delta(0));
        assert_eq!(count.update(height), Increment::Delta(9));
    }
}

#[test]
fn a_count_that_was_reset_rises_past_its_former_height() {
    let mut count = Ascent::from(1000);
    assert_eq!(count.update(0), None);
    let total: u64 = (1..=300).map(|step| count.update(step * 10).unwrap()).sum();
    assert!((2980..=3000).contains(&total), "{total}");
}

#[test]
fn a_rise_beyond_what_the_interval_can_have_held_is_not_believed() {
    let mut counter = after(CounterRange::Unknown, 10).with_max_rate(100.0);
    assert_eq!(counter.update_at(110, SECOND), Increment::Delta(100));
    assert_eq!(counter.update_at(211, SECOND), Increment::Excess(101));
    assert_eq!(counter.update_at(212, SECOND), Increment::Delta(1));
    assert_eq!(Increment::Excess(101).delta(), 0);
}

#[test]
fn a_fall_from_beyond_the_range_is_a_reset() {
    assert_eq!(
        after(CounterRange::Max(99), 150).update(120),
        Increment::Reset(120)
    );
    assert_eq!(after(CounterRange::Max(99), 150).update(5), Increment::Reset(5));
}

#[test]
fn a_wrap_that_needs_more_than_the_maximum_power_is_a_reset() {
    let mut counter = after(CounterRange::Max(99), 90).with_max_rate(15.0);
    assert_eq!(counter.clone().update_at(5, SECOND), Increment::Wrapped(15));
    assert_eq!(counter.clone().update_at(6, SECOND), Increment::Reset(6));
    let mut fraction = counter.clone().with_max_rate(14.5);
    assert_eq!(
        fraction.update_at(5, SECOND),
        Increment::Wrapped(15),
        "a counter shows whole steps"
    );
    assert_eq!(
        counter.update_at(6, None),
        Increment::Wrapped(16),
        "without an interval the rate says nothing"
    );
}

#[test]
fn a_counter_that_cannot_count_anything_cannot_wrap() {
    let mut counter = after(CounterRange::Max(99), 90).with_max_rate(0.0);
    assert_eq!(counter.update_at(5, SECOND), Increment::Reset(5));
}

#[test]
fn an_interval_long_enough_for_another_wrap_is_flagged() {
    let mut counter = after(CounterRange::Max(99), 10).with_max_rate(105.0);
    assert_eq!(
        counter.clone().update_at(15, SECOND),
        Increment::Ambiguous { delta: 5 }
    );
    assert_eq!(counter.clone().update_at(16, SECOND), Increment::Delta(6));
    assert_eq!(counter.clone().update_at(4, SECOND), Increment::Wrapped(94));
    assert_eq!(
        counter.update_at(4, Some(Duration::from_secs(2))),
        Increment::Ambiguous { delta: 94 }
    );
}

#[test]
fn the_longest_interval_is_flagged_and_does_not_overflow() {
    for range in [
        CounterRange::Bits64,
        CounterRange::Max(u64::MAX),
        CounterRange::Max(0),
    ] {
        let mut counter = after(range, 0).with_max_rate(f64::MAX);
        assert_eq!(
            counter.update_at(0, Some(Duration::MAX)),
            Increment::Ambiguous { delta: 0 }
        );
    }
}

#[test]
fn a_senseless_rate_is_no_bound() {
    for rate in [f64::NAN, f64::INFINITY, -1.0] {
        let mut counter = after(CounterRange::Max(99), 90).with_max_rate(rate);
        assert_eq!(counter.update_at(5, SECOND), Increment::Wrapped(15), "{rate}");
    }
}

#[test]
fn a_forgotten_counter_starts_anew() {
    let mut counter = after(CounterRange::Max(99), 90);
    counter.reset();
    assert_eq!(counter.update(5), Increment::First);
    assert_eq!(counter.update(4), Increment::Wrapped(99), "the range is kept");
}

#[test]
fn a_delta_shows_what_is_certain_and_begins_anew_otherwise() {
    assert_eq!(Increment::First.delta(), 0);
    assert_eq!(Increment::Delta(1).delta(), 1);
    assert_eq!(Increment::Wrapped(2).delta(), 2);
    assert_eq!(Increment::Reset(3).delta(), 0);
    assert_eq!(Increment::Ambiguous { delta: 4 }.delta(), 0);
}

#[test]
fn a_delta_series_begins_with_a_zero_and_again_after_a_gap() {
    let catalog = Catalog::new();
    let metric = catalog.metric(&COUNTED).unwrap();
    let series = catalog
        .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
        .register();
    // Up to 60 per second: after a minute it may have wrapped unseen.
    let counter = Counter::new(CounterRange::Max(99)).with_max_rate(60.0);
    let mut counted = DeltaSeries::new(series, counter);
    let mut batch = catalog.batch();
    for (seconds, reading) in [(1, 70), (2, 90), (3, 10), (4, 80), (64, 90), (65, 95)] {
        if seconds == 4 {
            counted.reset();
        }
        let tick = Tick {
            timestamp: Timestamp::from_nanos(seconds * 1_000_000_000),
            monotonic: Monotonic::from_nanos(seconds.cast_unsigned() * 1_000_000_000),
            missed: 0,
        };
        counted.push(
            &mut Accumulator::new(&mut batch, tick, &alumet_core::time::SystemClock),
            reading,
        );
    }
    assert_eq!(batch.bits(), [0, 20, 20, 0, 0, 5]);
}

#[test]
fn an_increment_after_a_small_step_back_counts_from_the_highest_reading() {
    let mut idle = Ascent::from(100);
    assert_eq!(idle.update(98), None);
    assert_eq!(idle.update(103), Some(3));
}

fn ranges() -> impl Strategy<Value = CounterRange> {
    prop_oneof![
        Just(CounterRange::Bits32),
        Just(CounterRange::Bits64),
        Just(CounterRange::Max(0)),
        (0_u64..1000).prop_map(CounterRange::Max),
        any::<u64>().prop_map(CounterRange::Max),
    ]
}

proptest! {
    #[test]
    fn the_increments_over_wraps_add_up_to_the_true_total(range in ranges(), start in any::<u64>(), steps in proptest::collection::vec(any::<u64>(), 0..50)) {
        let modulus = u128::from(range.max().unwrap()) + 1;
        let mut counter = Counter::new(range);
        let mut truth = u128::from(start) % modulus;
        let begin = truth;
        counter.update(truth as u64);
        let mut total = 0_u128;
        for step in steps {
            // Less than one whole range per step, so that the readings tell it.
            truth += u128::from(step) % modulus;
            let increment = counter.update((truth % modulus) as u64);
            total += u128::from(increment.delta());
        }
        prop_assert_eq!(total, truth - begin);
    }

    #[test]
    fn a_bound_that_holds_changes_no_increment(max in 1_u64..1000, steps in proptest::collection::vec(any::<u64>(), 1..50)) {
        let range = CounterRange::Max(max);
        let (mut free, mut bounded) = (Counter::new(range), Counter::new(range).with_max_rate(max as f64));
        let mut truth = 0_u64;
        for step in steps {
            truth = (truth + step % (max + 1)) % (max + 1);
            prop_assert_eq!(free.update(truth), bounded.update_at(truth, SECOND));
        }
    }

    #[test]
    fn no_readings_make_a_counter_panic(
        range in prop_oneof![ranges(), Just(CounterRange::Unknown)],
        rate in any::<f64>(),
        readings in proptest::collection::vec((any::<u64>(), proptest::option::of(any::<Duration>())), 0..20),
    ) {
        let mut counter = Counter::new(range).with_max_rate(rate);
        for (index, (value, elapsed)) in readings.into_iter().enumerate() {
            prop_assert_eq!(counter.update_at(value, elapsed) == Increment::First, index == 0);
        }
    }
}
