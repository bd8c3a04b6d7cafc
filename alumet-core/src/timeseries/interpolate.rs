//! Linear interpolation between the points of one series.

use thiserror::Error;

use super::TimeSeries;
use crate::time::Timestamp;

/// A number that can be interpolated linearly.
pub trait Interpolate: Copy {
    /// The value after `elapsed` of `span` on the line from `before` to `after`.
    ///
    /// `span` is positive and `elapsed` at most `span`; both are in nanoseconds. The result lies between the two
    /// values, ends included.
    fn between(before: Self, after: Self, elapsed: u64, span: u64) -> Self;
}

/// A series has no value at a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InterpolateError {
    /// The series has no points at all.
    #[error("the series has no points: nothing can be interpolated")]
    Empty,
    /// The timestamp is before the first point.
    #[error("{} ns is before the first point at {} ns: keep more history or ask for a later time", .time.as_nanos(), .first.as_nanos())]
    Before {
        /// The timestamp asked for.
        time: Timestamp,
        /// The first one of the series.
        first: Timestamp,
    },
    /// The timestamp is after the last point.
    #[error("{} ns is after the last point at {} ns: wait for more points or ask for an earlier time", .time.as_nanos(), .last.as_nanos())]
    After {
        /// The timestamp asked for.
        time: Timestamp,
        /// The last one of the series.
        last: Timestamp,
    },
}

impl<T: Interpolate> TimeSeries<T> {
    /// The value at a timestamp: that of the point if there is one, otherwise on the line between its neighbours.
    ///
    /// # Errors
    /// When the timestamp lies outside the series, on which side, or when the series is empty.
    pub fn interpolate_at(&self, time: Timestamp) -> Result<T, InterpolateError> {
        let points = self.points();
        let next = match points.binary_search_by_key(&time, |point| point.0) {
            Ok(exact) => return Ok(points[exact].1),
            Err(next) => next,
        };
        let Some((first, _)) = points.first() else {
            return Err(InterpolateError::Empty);
        };
        let Some((start, before)) = next.checked_sub(1).and_then(|index| points.get(index)) else {
            return Err(InterpolateError::Before { time, first: *first });
        };
        let Some((end, after)) = points.get(next) else {
            return Err(InterpolateError::After { time, last: *start });
        };
        Ok(T::between(
            *before,
            *after,
            nanos_between(*start, time),
            nanos_between(*start, *end),
        ))
    }
}

/// The distance of two timestamps; any two fit.
fn nanos_between(earlier: Timestamp, later: Timestamp) -> u64 {
    later.as_nanos().abs_diff(earlier.as_nanos())
}

impl Interpolate for f64 {
    /// `(1 - u) · before + u · after` with `u = elapsed / span`.
    fn between(before: Self, after: Self, elapsed: u64, span: u64) -> Self {
        let u = elapsed as f64 / span as f64;
        let value = (1.0 - u) * before + u * after;
        if value.is_nan() {
            return value;
        }
        // Rounding may carry the sum past an end by its last bit, which would make a constant series wobble.
        value.max(before.min(after)).min(before.max(after))
    }
}

impl Interpolate for u64 {
    /// Exact, then rounded to the nearest whole number, halves up; no digit is lost above 2⁵³.
    fn between(before: Self, after: Self, elapsed: u64, span: u64) -> Self {
        if before <= after {
            before + rounded_share(after - before, elapsed, span, Half::Up)
        } else {
            before - rounded_share(before - after, elapsed, span, Half::Down)
        }
    }
}

impl Interpolate for i64 {
    /// Exact, then rounded to the nearest whole number, halves up.
    fn between(before: Self, after: Self, elapsed: u64, span: u64) -> Self {
        let distance = before.abs_diff(after);
        if before <= after {
            before.wrapping_add_unsigned(rounded_share(distance, elapsed, span, Half::Up))
        } else {
            before.wrapping_sub_unsigned(rounded_share(distance, elapsed, span, Half::Down))
        }
    }
}

/// Which way a half is rounded.
#[derive(Clone, Copy)]
enum Half {
    Up,
    Down,
}

/// `distance · elapsed / span`, rounded. The product of two 64-bit numbers and half of a third fit in 128 bits.
fn rounded_share(distance: u64, elapsed: u64, span: u64, half: Half) -> u64 {
    let span = u128::from(span.max(1));
    let addend = match half {
        Half::Up => span / 2,
        Half::Down => (span - 1) / 2,
    };
    let share = (u128::from(distance) * u128::from(elapsed) + addend) / span;
    // At most `distance`, because `elapsed` is at most `span`.
    u64::try_from(share).unwrap_or(distance).min(distance)
}
