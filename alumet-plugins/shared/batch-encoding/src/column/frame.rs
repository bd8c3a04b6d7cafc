//! Numbers as `base + scale × r`, the `r` in as many byte planes as the largest needs.

use super::divisor::Divisor;
use super::{Order, Sink, Streams};
use crate::bytes::{put_signed, put_varint};
use crate::error::DecodeError;

const PLANES: u8 = 0b1111;
const BASE: u8 = 1 << 4;
const SCALE: u8 = 1 << 5;

/// Writes the frame of `values`, which it uses up.
pub(super) fn write(values: &mut [u64], order: Order, sink: &mut Sink) {
    let base = order.lowest(values.iter().copied());
    if base != 0 {
        values
            .iter_mut()
            .for_each(|value| *value = value.wrapping_sub(base));
    }
    let divisor = Divisor::common(values).filter(|divisor| divisor.value() > 1);
    if let Some(divisor) = divisor {
        values
            .iter_mut()
            .for_each(|value| *value = divisor.divide(*value));
    }
    let all_bits = values.iter().fold(0, |bits, value| bits | value);
    let planes = all_bits.checked_ilog2().map_or(0, |top| top / 8 + 1);

    let mut first = planes as u8;
    first |= if base == 0 { 0 } else { BASE };
    first |= if divisor.is_none() { 0 } else { SCALE };
    sink.head.push(first);
    if base != 0 {
        put_signed(&mut sink.head, base.cast_signed());
    }
    if let Some(divisor) = divisor {
        put_varint(&mut sink.head, divisor.value());
    }
    for plane in 0..planes {
        let stream = if plane + 1 == planes {
            &mut sink.high
        } else {
            &mut sink.low
        };
        stream.extend(values.iter().map(|value| (value >> (8 * plane)) as u8));
    }
}

/// Reads a frame of as many numbers as `values` has room for.
pub(super) fn read(values: &mut [u64], streams: &mut Streams<'_>) -> Result<(), DecodeError> {
    let first = streams.head.byte("a frame")?;
    let planes = first & PLANES;
    if planes > 8 || first & !(PLANES | BASE | SCALE) != 0 {
        return Err(streams.head.corrupt("unknown kind of frame"));
    }
    let base = match first & BASE {
        0 => 0,
        _ => streams.head.signed("the base of a frame")?.cast_unsigned(),
    };
    let scale = match first & SCALE {
        0 => 1,
        _ => streams.head.varint("the scale of a frame")?,
    };
    values.fill(0);
    for plane in 0..planes {
        let stream = if plane + 1 == planes {
            &mut streams.high
        } else {
            &mut streams.low
        };
        let bytes = stream.take(values.len(), "the values")?;
        for (value, &byte) in values.iter_mut().zip(bytes) {
            *value |= u64::from(byte) << (8 * plane);
        }
    }
    if (scale, base) != (1, 0) {
        for value in values {
            *value = value.wrapping_mul(scale).wrapping_add(base);
        }
    }
    Ok(())
}
