//! Values over time: interpolation between samples, and several series brought onto the same instants.

mod align;
mod interpolate;

use thiserror::Error;

use crate::time::Timestamp;

pub use align::{AlignError, Aligned, align};
pub use interpolate::{Interpolate, InterpolateError};

/// Points in order of time, at most one per timestamp.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeSeries<T = f64> {
    points: Vec<(Timestamp, T)>,
}

/// Points were not given in strictly rising order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "point {position} at {} ns is not later than the point before it at {} ns: sort the points or drop the late one",
    .time.as_nanos(), .previous.as_nanos()
)]
pub struct OrderError {
    /// The index of the offending point.
    pub position: usize,
    /// Its timestamp.
    pub time: Timestamp,
    /// The timestamp of the point before it.
    pub previous: Timestamp,
}

impl<T> TimeSeries<T> {
    /// A series without points.
    pub const fn new() -> Self {
        Self { points: Vec::new() }
    }

    /// The series of points that are already in order.
    ///
    /// # Errors
    /// When a timestamp is not later than the one before it; names the first such point.
    pub fn try_from_sorted(points: Vec<(Timestamp, T)>) -> Result<Self, OrderError> {
        check_order(points.iter().map(|point| point.0))?;
        Ok(Self { points })
    }

    /// The series of points in any order. Of several points with one timestamp the last one given is kept.
    pub fn from_unsorted(mut points: Vec<(Timestamp, T)>) -> Self {
        // The sort is stable: after the reversal the last given comes first, which is the one that `dedup` keeps.
        points.reverse();
        points.sort_by_key(|point| point.0);
        points.dedup_by_key(|point| point.0);
        Self { points }
    }

    /// Appends a point.
    ///
    /// # Errors
    /// When it is not later than the last one; the series is then unchanged.
    pub fn push(&mut self, time: Timestamp, value: T) -> Result<(), OrderError> {
        if let Some((previous, _)) = self.points.last()
            && time <= *previous
        {
            return Err(OrderError {
                position: self.points.len(),
                time,
                previous: *previous,
            });
        }
        self.points.push((time, value));
        Ok(())
    }

    /// Forgets the points before `time`, except the last of them: values at `time` and later still interpolate as
    /// before.
    pub fn drop_before(&mut self, time: Timestamp) {
        let first_kept = match self.points.binary_search_by_key(&time, |point| point.0) {
            // A point at the instant itself needs no neighbour, but the promise to keep one is simpler to rely on.
            Ok(next) | Err(next) => next.saturating_sub(1),
        };
        self.points.drain(..first_kept);
    }

    /// All points, in order of time.
    pub fn points(&self) -> &[(Timestamp, T)] {
        &self.points
    }

    /// The earliest timestamp; none without points.
    pub fn start(&self) -> Option<Timestamp> {
        self.points.first().map(|point| point.0)
    }

    /// The latest timestamp; none without points.
    pub fn end(&self) -> Option<Timestamp> {
        self.points.last().map(|point| point.0)
    }

    /// The number of points.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether there are no points.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }
}

impl<T> Default for TimeSeries<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Checks that every timestamp is later than the one before it.
fn check_order(times: impl Iterator<Item = Timestamp>) -> Result<(), OrderError> {
    let mut before = None;
    for (position, time) in times.enumerate() {
        if let Some(previous) = before
            && time <= previous
        {
            return Err(OrderError {
                position,
                time,
                previous,
            });
        }
        before = Some(time);
    }
    Ok(())
}
