//! Columns of floats: as decimals where they come from decimals, as their bits otherwise.
//!
//! A share computed as `nanoseconds / 1e9 * 100` has few digits, but a mantissa that looks like noise. The nearest decimal
//! is an integer; what rounding did is a difference of one in the last place, which is stored beside it. Every
//! float survives with all its bits, because the difference may be any.

use super::{Order, Sink, Streams, frame, integer};
use crate::error::DecodeError;

/// The powers of ten that are tried; all are exact.
const POWERS: [f64; 10] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
/// How many values are looked at to choose the number of places.
const PROBES: usize = 32;
/// A larger integer would not be smaller than the mantissa.
const MAX_DECIMAL: f64 = (1_u64 << 44) as f64;
/// Adding it to a number below 2^51 leaves the nearest integer in the low bits of the mantissa.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// Writes the column of floats with these `bits`, which it uses up.
pub(crate) fn write(bits: &mut [u64], period: Option<usize>, sink: &mut Sink, scratch: &mut Vec<u64>) {
    let Some(places) = decimal_places(bits) else {
        sink.head.push(0);
        return integer::write(bits, period, Order::Unsigned, sink);
    };
    // At most as many as there are powers.
    sink.head.push(places as u8 + 1);
    let power = POWERS[places];
    scratch.clear();
    for value in bits.iter_mut() {
        let (decimal, correction) = split(*value, power);
        *value = decimal.cast_unsigned();
        scratch.push(correction);
    }
    integer::write(bits, period, Order::Signed, sink);
    frame::write(scratch, Order::Signed, sink);
}

/// Reads a column of as many floats as `bits` has room for.
pub(crate) fn read(
    bits: &mut [u64],
    streams: &mut Streams<'_>,
    scratch: &mut Vec<u64>,
) -> Result<(), DecodeError> {
    let form = streams.head.byte("a column of floats")?;
    if form == 0 {
        return integer::read(bits, streams);
    }
    let Some(&power) = POWERS.get(usize::from(form) - 1) else {
        return Err(streams.head.corrupt("unknown kind of float column"));
    };
    integer::read(bits, streams)?;
    scratch.clear();
    scratch.resize(bits.len(), 0);
    frame::read(scratch, streams)?;
    for (value, &correction) in bits.iter_mut().zip(scratch.iter()) {
        *value = nearest(value.cast_signed(), power).wrapping_add(correction);
    }
    Ok(())
}

/// How many decimal places the floats have, if nearly all of them are decimals with few digits.
fn decimal_places(bits: &[u64]) -> Option<usize> {
    let step = (bits.len() / PROBES).max(1);
    let probes = bits.iter().step_by(step);
    let tolerated = probes.len() / 8;
    POWERS.iter().position(|&power| {
        let mut exceptions = 0;
        probes.clone().all(|&value| {
            let (decimal, correction) = split(value, power);
            let fits = (decimal as f64).abs() < MAX_DECIMAL && correction.wrapping_add(2) <= 4;
            exceptions += usize::from(!fits);
            exceptions <= tolerated
        })
    })
}

/// The nearest decimal, and what has to be added to its bits.
fn split(bits: u64, power: f64) -> (i64, u64) {
    let scaled = f64::from_bits(bits) * power;
    let decimal = if scaled.abs() < (1_u64 << 50) as f64 {
        ((scaled + ROUNDER).to_bits().wrapping_sub(ROUNDER.to_bits())).cast_signed()
    } else {
        0 // Too large, infinite or not a number: all of it is correction.
    };
    (decimal, bits.wrapping_sub(nearest(decimal, power)))
}

/// The bits of the float nearest to a decimal.
fn nearest(decimal: i64, power: f64) -> u64 {
    (decimal as f64 / power).to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(values: &[f64]) -> (Vec<u64>, usize) {
        let bits: Vec<u64> = values.iter().map(|value| value.to_bits()).collect();
        let mut sink = Sink::default();
        write(&mut bits.clone(), None, &mut sink, &mut Vec::new());
        let body = [sink.lengths(), sink.head, sink.high, sink.low].concat();
        let mut streams = Streams::new(&body).unwrap();
        let mut out = vec![u64::MAX; bits.len()];
        read(&mut out, &mut streams, &mut vec![7]).unwrap();
        streams.finish().unwrap();
        assert_eq!(out, bits);
        (out, body.len())
    }

    proptest! {
        #[test]
        fn every_float_survives(
            bits in prop::collection::vec(any::<u64>(), 1..20),
            decimals in prop::collection::vec((any::<i32>(), 0_i32..12), 1..50),
        ) {
            let decimals = decimals.iter().map(|&(digits, places)| f64::from(digits) / 10_f64.powi(places));
            let values: Vec<f64> = bits.iter().map(|&bits| f64::from_bits(bits)).chain(decimals).collect();
            round_trip(&values);
        }
    }

    #[test]
    fn what_no_decimal_is_near_to_survives() {
        let signalling = f64::from_bits(0x7ff0_0000_0000_0001);
        let odd = [
            f64::NAN,
            -f64::NAN,
            signalling,
            f64::INFINITY,
            -f64::INFINITY,
            -0.0,
            5e-324,
            f64::MAX,
            f64::MIN,
        ];
        round_trip(&odd);
        let mut mixed = vec![12.5; 500];
        mixed[3..12].copy_from_slice(&odd);
        round_trip(&mixed);
    }

    #[test]
    fn a_share_costs_no_more_than_the_time_it_comes_from() {
        let times = (0..1000_u64).map(|index| index.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 36);
        let shares: Vec<f64> = times.map(|nanos| nanos as f64 / 1e9 * 100.0).collect();
        let (_, size) = round_trip(&shares);
        assert!(size < 5 * 1000 + 30, "{size}");
    }

    #[test]
    fn text_with_two_places_costs_two_bytes() {
        let values: Vec<f64> = (0..1000)
            .map(|index| f64::from(index * 7919 % 10_000) / 100.0)
            .collect();
        assert!(round_trip(&values).1 < 2030);
    }
}
