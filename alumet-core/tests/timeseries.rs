//! Time series: order, interpolation and alignment.

#![expect(
    clippy::unwrap_used,
    reason = "a failed unwrap fails the test, in the builders of test data too"
)]

use alumet_core::time::Timestamp;
use alumet_core::timeseries::{AlignError, Interpolate, InterpolateError, OrderError, TimeSeries, align};
use proptest::prelude::*;

fn at(nanos: i64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

fn series<T: Copy>(points: &[(i64, T)]) -> TimeSeries<T> {
    TimeSeries::try_from_sorted(points.iter().map(|(time, value)| (at(*time), *value)).collect()).unwrap()
}

fn times(nanos: &[i64]) -> Vec<Timestamp> {
    nanos.iter().copied().map(at).collect()
}

#[test]
fn points_out_of_order_are_refused_and_named() {
    let late = TimeSeries::try_from_sorted(vec![(at(1), 1.0), (at(3), 3.0), (at(2), 2.0)]);
    assert_eq!(
        late,
        Err(OrderError {
            position: 2,
            time: at(2),
            previous: at(3)
        })
    );
    let twice = TimeSeries::try_from_sorted(vec![(at(1), 1.0), (at(1), 2.0)]);
    assert_eq!(
        twice,
        Err(OrderError {
            position: 1,
            time: at(1),
            previous: at(1)
        })
    );
    assert!(
        twice
            .unwrap_err()
            .to_string()
            .starts_with("point 1 at 1 ns is not later")
    );
}

#[test]
fn the_last_of_several_points_with_one_timestamp_is_kept() {
    let sorted = TimeSeries::from_unsorted(vec![
        (at(5), 'a'),
        (at(1), 'b'),
        (at(5), 'c'),
        (at(1), 'd'),
        (at(3), 'e'),
    ]);
    assert_eq!(sorted.points(), [(at(1), 'd'), (at(3), 'e'), (at(5), 'c')]);
}

#[test]
fn a_late_point_is_refused_and_changes_nothing() {
    let mut growing = TimeSeries::new();
    assert!(growing.is_empty());
    growing.push(at(1), 1.0).unwrap();
    assert!(!growing.is_empty());
    growing.push(at(2), 2.0).unwrap();
    assert_eq!(
        growing.push(at(2), 9.0),
        Err(OrderError {
            position: 2,
            time: at(2),
            previous: at(2)
        })
    );
    assert!(growing.push(at(0), 9.0).is_err());
    assert_eq!(growing, series(&[(1, 1.0), (2, 2.0)]));
    assert_eq!(
        (growing.start(), growing.end(), growing.len()),
        (Some(at(1)), Some(at(2)), 2)
    );
}

#[test]
fn a_value_between_two_points_lies_on_their_line() {
    let line = series(&[(0, 10.0), (10, 20.0), (20, 0.0)]);
    assert_eq!(line.interpolate_at(at(4)), Ok(14.0));
    assert_eq!(line.interpolate_at(at(15)), Ok(10.0));
    assert_eq!(line.interpolate_at(at(0)), Ok(10.0));
    assert_eq!(line.interpolate_at(at(10)), Ok(20.0));
    assert_eq!(line.interpolate_at(at(20)), Ok(0.0));
}

#[test]
fn a_timestamp_outside_is_an_error_that_says_on_which_side() {
    let line = series(&[(0, 1.0), (10, 2.0)]);
    assert_eq!(
        line.interpolate_at(at(-1)),
        Err(InterpolateError::Before {
            time: at(-1),
            first: at(0)
        })
    );
    assert_eq!(
        line.interpolate_at(at(11)),
        Err(InterpolateError::After {
            time: at(11),
            last: at(10)
        })
    );
    assert_eq!(
        TimeSeries::<f64>::default().interpolate_at(at(0)),
        Err(InterpolateError::Empty)
    );
}

#[test]
fn integers_above_two_to_the_53_lose_no_digit() {
    let base = (1_u64 << 60) + 1;
    assert_eq!(
        series(&[(0, base), (4, base + 8)]).interpolate_at(at(1)),
        Ok(base + 2)
    );
    assert_eq!(
        series(&[(0, base + 8), (4, base)]).interpolate_at(at(1)),
        Ok(base + 6)
    );
    assert_eq!(
        series(&[(0, i64::MIN), (2, i64::MIN + 6)]).interpolate_at(at(1)),
        Ok(i64::MIN + 3)
    );
}

#[test]
fn integers_are_rounded_to_the_nearest_and_halves_up_in_both_directions() {
    assert_eq!(series(&[(0, 0_u64), (4, 1)]).interpolate_at(at(1)), Ok(0));
    assert_eq!(series(&[(0, 0_u64), (4, 1)]).interpolate_at(at(2)), Ok(1));
    assert_eq!(series(&[(0, 1_u64), (4, 0)]).interpolate_at(at(2)), Ok(1));
    assert_eq!(series(&[(0, 1_u64), (4, 0)]).interpolate_at(at(3)), Ok(0));
    assert_eq!(series(&[(0, -1_i64), (4, 0)]).interpolate_at(at(2)), Ok(0));
    assert_eq!(series(&[(0, 0_i64), (4, -1)]).interpolate_at(at(2)), Ok(0));
}

#[test]
fn the_widest_span_and_the_widest_values_fit() {
    let widest = series(&[(i64::MIN, 0_u64), (i64::MAX, u64::MAX)]);
    assert_eq!(widest.interpolate_at(at(i64::MAX - 1)), Ok(u64::MAX - 1));
    let falling = series(&[(i64::MIN, i64::MAX), (i64::MAX, i64::MIN)]);
    assert_eq!(falling.interpolate_at(at(i64::MAX - 1)), Ok(i64::MIN + 1));
    let floats = series(&[(i64::MIN, -f64::MAX), (i64::MAX, f64::MAX)]);
    assert!(floats.interpolate_at(at(0)).unwrap().is_finite());
}

#[test]
fn a_value_that_is_not_a_number_stays_so() {
    let broken = series(&[(0, 1.0), (10, f64::NAN)]);
    assert!(broken.interpolate_at(at(5)).unwrap().is_nan());
}

#[test]
fn forgetting_the_past_keeps_the_point_that_interpolation_needs() {
    let full = series(&[(0, 0.0), (10, 1.0), (20, 4.0), (30, 9.0)]);
    for (time, left) in [
        (-5, 4),
        (0, 4),
        (5, 4),
        (10, 4),
        (15, 3),
        (20, 3),
        (25, 2),
        (30, 2),
        (99, 1),
    ] {
        let mut short = full.clone();
        short.drop_before(at(time));
        assert_eq!(short.len(), left, "at {time}");
        for later in (time.max(0)..=30).map(at) {
            assert_eq!(short.interpolate_at(later), full.interpolate_at(later));
        }
    }
    let mut nothing = TimeSeries::<f64>::new();
    nothing.drop_before(at(3));
    assert!(nothing.is_empty());
}

#[test]
fn series_are_aligned_where_all_of_them_have_values() {
    let one = series(&[(0, 0.0), (40, 40.0)]);
    let other = series(&[(10, 100.0), (20, 200.0), (30, 100.0)]);
    let aligned = align(&times(&[-5, 5, 10, 15, 20, 30, 35]), &[one, other]).unwrap();
    assert_eq!(aligned.timestamps, times(&[10, 15, 20, 30]));
    assert_eq!(
        aligned.columns,
        [[10.0, 15.0, 20.0, 30.0], [100.0, 150.0, 200.0, 100.0]]
    );
}

#[test]
fn series_that_meet_at_one_instant_are_aligned_there() {
    let (early, late) = (series(&[(0, 0.0), (10, 1.0)]), series(&[(10, 2.0), (20, 3.0)]));
    let aligned = align(&times(&[5, 10, 15]), &[early, late]).unwrap();
    assert_eq!(aligned.timestamps, times(&[10]));
    assert_eq!(aligned.columns, [[1.0], [2.0]]);
}

#[test]
fn what_cannot_be_aligned_is_an_error() {
    let line = || series(&[(0, 0.0), (10, 10.0)]);
    let reference = times(&[1, 2]);
    let none: [TimeSeries; 0] = [];
    assert_eq!(align(&reference, &none), Err(AlignError::NoSeries));
    assert_eq!(align(&[], &[line()]), Err(AlignError::EmptyReference));
    assert_eq!(
        align(&reference, &[line(), TimeSeries::new()]),
        Err(AlignError::EmptySeries { index: 1 })
    );
    assert_eq!(
        align(&times(&[2, 1]), &[line()]),
        Err(AlignError::UnsortedReference(OrderError {
            position: 1,
            time: at(1),
            previous: at(2)
        }))
    );
    assert_eq!(
        align(&reference, &[line(), series(&[(11, 0.0), (20, 1.0)])]),
        Err(AlignError::NoOverlap {
            start: at(11),
            end: at(10)
        })
    );
    assert_eq!(
        align(&times(&[-1, 11]), &[line()]),
        Err(AlignError::NoReferenceInside {
            start: at(0),
            end: at(10)
        })
    );
}

/// A random series and a timestamp inside of it.
fn inside() -> impl Strategy<Value = (TimeSeries<f64>, Timestamp)> {
    (
        proptest::collection::vec((-1000_i64..1000, -1e6..1e6), 1..30),
        any::<proptest::sample::Index>(),
    )
        .prop_map(|(points, place)| {
            let made = TimeSeries::from_unsorted(
                points
                    .into_iter()
                    .map(|(time, value)| (at(time), value))
                    .collect(),
            );
            let (start, end) = (made.start().unwrap().as_nanos(), made.end().unwrap().as_nanos());
            let length = usize::try_from(end - start).unwrap() + 1;
            let time = at(start + i64::try_from(place.index(length)).unwrap());
            (made, time)
        })
}

proptest! {
    #[test]
    fn an_interpolated_value_is_between_its_neighbours((line, time) in inside()) {
        let value = line.interpolate_at(time).unwrap();
        let next = line.points().partition_point(|point| point.0 < time);
        let (right, left) = (line.points()[next], line.points()[next.saturating_sub(1)]);
        if right.0 == time {
            prop_assert_eq!(value, right.1);
        } else {
            prop_assert!(left.1.min(right.1) <= value && value <= left.1.max(right.1));
        }
    }

    #[test]
    fn a_constant_series_stays_constant(constant in any::<f64>(), elapsed in 1_u64..u64::MAX, more in any::<u64>()) {
        let span = elapsed.saturating_add(more);
        let value = f64::between(constant, constant, elapsed, span);
        prop_assert!(value == constant || constant.is_nan());
    }

    #[test]
    fn an_affine_series_is_reproduced(slope in -1000_i64..1000, offset in -1_000_000_i64..1_000_000, gaps in proptest::collection::vec(1_i64..50, 1..20)) {
        let line = |time: i64| slope * time + offset;
        let mut stamps = vec![0];
        stamps.extend(gaps.iter().scan(0, |time, gap| { *time += gap; Some(*time) }));
        let whole = series(&stamps.iter().map(|time| (*time, line(*time))).collect::<Vec<_>>());
        let real = series(&stamps.iter().map(|time| (*time, line(*time) as f64)).collect::<Vec<_>>());
        for time in 0..=*stamps.last().unwrap() {
            prop_assert_eq!(whole.interpolate_at(at(time)), Ok(line(time)));
            let value = real.interpolate_at(at(time)).unwrap();
            prop_assert!((value - line(time) as f64).abs() <= 1e-8, "{} at {}", value, time);
        }
    }

    #[test]
    fn integers_of_any_size_stay_between_and_do_not_panic(before in any::<u64>(), after in any::<u64>(), a in any::<u64>(), b in 1_u64..) {
        let (elapsed, span) = (a.min(b), a.max(b));
        let value = u64::between(before, after, elapsed, span);
        prop_assert!(before.min(after) <= value && value <= before.max(after));
        let (low, high) = (before as i64, after as i64);
        let signed = i64::between(low, high, elapsed, span);
        prop_assert!(low.min(high) <= signed && signed <= low.max(high));
    }

    #[test]
    fn aligned_columns_hold_the_interpolated_values((one, _) in inside(), (other, _) in inside(), mut reference in proptest::collection::vec(-1000_i64..1000, 1..40)) {
        reference.sort_unstable();
        reference.dedup();
        let both = [one, other];
        if let Ok(aligned) = align(&times(&reference), &both) {
            for (column, source) in aligned.columns.iter().zip(&both) {
                prop_assert_eq!(column.len(), aligned.timestamps.len());
                for (value, time) in column.iter().zip(&aligned.timestamps) {
                    prop_assert_eq!(source.interpolate_at(*time), Ok(*value));
                }
            }
        }
    }
}
