//! Columns of integers: as they are, or as differences to a value some places before.

use super::{Order, Sink, Streams, frame};
use crate::bytes::{put_varint, zigzag};
use crate::error::DecodeError;

/// How many values are looked at to choose the lag.
const PROBES: usize = 64;

/// Writes the column of `values`, which it uses up.
///
/// The same series come again after `period` values, as far as is known.
pub(crate) fn write(values: &mut [u64], period: Option<usize>, order: Order, sink: &mut Sink) {
    let lag = best_lag(values, period, order);
    put_varint(&mut sink.head, lag as u64);
    if lag == 0 {
        return frame::write(values, order, sink);
    }
    // From the last to the first, so that each still finds the value before it.
    for index in (lag..values.len()).rev() {
        values[index] = values[index].wrapping_sub(values[index - lag]);
    }
    let (first, differences) = values.split_at_mut(lag);
    frame::write(first, order, sink);
    frame::write(differences, Order::Signed, sink);
}

/// Reads a column of as many integers as `values` has room for.
pub(crate) fn read(values: &mut [u64], streams: &mut Streams<'_>) -> Result<(), DecodeError> {
    let lag = streams.head.count("the lag of a column", values.len())?;
    if lag == 0 {
        return frame::read(values, streams);
    }
    let (first, differences) = values.split_at_mut(lag);
    frame::read(first, streams)?;
    frame::read(differences, streams)?;
    for index in lag..values.len() {
        values[index] = values[index].wrapping_add(values[index - lag]);
    }
    Ok(())
}

/// The lag with the smallest differences; 0 if the values themselves are smaller.
fn best_lag(values: &[u64], period: Option<usize>, order: Order) -> usize {
    let probe = |from: usize| (from..values.len()).step_by(((values.len() - from) / PROBES).max(1));
    let base = order.lowest(probe(0).map(|index| values[index]));
    let bits = probe(0).map(|index| bits(values[index].wrapping_sub(base)));
    let mut best = (0, mean(bits));
    for lag in [Some(1), period].into_iter().flatten() {
        if (1..values.len()).contains(&lag) {
            let difference = |index: usize| values[index].wrapping_sub(values[index - lag]).cast_signed();
            let cost = mean(probe(lag).map(|index| bits_of_difference(difference(index))));
            // One bit less at least: differences of noise are noisier.
            if cost + 1.0 <= best.1 {
                best = (lag, cost);
            }
        }
    }
    best.0
}

const fn bits(value: u64) -> u32 {
    u64::BITS - value.leading_zeros()
}

const fn bits_of_difference(difference: i64) -> u32 {
    bits(zigzag(difference))
}

fn mean(bits: impl ExactSizeIterator<Item = u32>) -> f64 {
    let count = bits.len().max(1);
    f64::from(bits.sum::<u32>()) / count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(values: &[u64], period: Option<usize>, order: Order) -> (Vec<u64>, usize) {
        let mut sink = Sink::default();
        write(&mut values.to_vec(), period, order, &mut sink);
        let body = [sink.lengths(), sink.head, sink.high, sink.low].concat();
        let mut streams = Streams::new(&body).unwrap();
        let mut out = vec![u64::MAX; values.len()];
        read(&mut out, &mut streams).unwrap();
        streams.finish().unwrap();
        (out, body.len())
    }

    proptest! {
        #[test]
        fn every_column_survives(
            values in prop::collection::vec(prop_oneof![any::<u64>(), 0_u64..100, (0_u64..100).prop_map(|v| v * 4096)], 1..300),
            period in prop::option::of(0_usize..400),
            signed: bool,
        ) {
            let order = if signed { Order::Signed } else { Order::Unsigned };
            prop_assert_eq!(round_trip(&values, period, order).0, values);
        }
    }

    #[test]
    fn values_that_repeat_after_a_period_cost_nothing() {
        let noise = |index: u64| index.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let values: Vec<u64> = (0..1000).map(|index| noise(index % 10)).collect();
        assert!(round_trip(&values, Some(10), Order::Unsigned).1 < 100);
        assert!(round_trip(&values, None, Order::Unsigned).1 > 7000);
    }

    #[test]
    fn values_that_are_all_the_same_are_only_a_base() {
        let mut sink = Sink::default();
        write(&mut [5; 100], Some(10), Order::Unsigned, &mut sink);
        assert_eq!(sink.head, [0, 0x10, 10]);
        assert!(sink.high.is_empty() && sink.low.is_empty());
    }

    #[test]
    fn a_counter_that_rises_evenly_costs_nothing() {
        let values: Vec<u64> = (0..1000).map(|index| (1 << 40) | (index * 12_345)).collect();
        let (out, size) = round_trip(&values, Some(1), Order::Unsigned);
        assert_eq!(out, values);
        assert!(size < 30, "{size}");
    }

    #[test]
    fn pages_cost_no_more_than_their_number() {
        let values: Vec<u64> = (0..1000).map(|index| (index * 7919 % 251) * 4096).collect();
        assert!(round_trip(&values, None, Order::Unsigned).1 < 1020);
    }

    #[test]
    fn small_numbers_of_both_signs_stay_small() {
        let values: Vec<u64> = (-100_i64..100)
            .map(|index| (index * 37 % 100).cast_unsigned())
            .collect();
        assert!(round_trip(&values, None, Order::Signed).1 < 220);
    }

    #[test]
    fn a_lag_that_leaves_no_differences_is_only_accepted_from_within() {
        // A lag of all values has an empty frame of differences, one more is refused.
        for (lag, accepted) in [(2, true), (3, false)] {
            let body = [3, 0, lag, 0, 0];
            let mut streams = Streams::new(&body).unwrap();
            assert_eq!(read(&mut [0; 2], &mut streams).is_ok(), accepted, "{lag}");
        }
    }
}
