//! Several series brought onto the timestamps of a reference.

use thiserror::Error;

use super::interpolate::{Interpolate, InterpolateError};
use super::{OrderError, TimeSeries, check_order};
use crate::time::Timestamp;

/// Series that share their timestamps: a table with one row per timestamp and one column per series.
#[derive(Debug, Clone, PartialEq)]
pub struct Aligned<T = f64> {
    /// The timestamps of the reference that all series cover.
    pub timestamps: Vec<Timestamp>,
    /// One column per series, in the order given; each is as long as `timestamps`.
    pub columns: Vec<Vec<T>>,
}

/// Series cannot be brought onto common timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AlignError {
    /// No series was given.
    #[error("no series to align: give at least one")]
    NoSeries,
    /// The reference has no timestamps.
    #[error("the reference has no timestamps: wait for its first point")]
    EmptyReference,
    /// The reference is not in strictly rising order.
    #[error("the reference is out of order")]
    UnsortedReference(#[source] OrderError),
    /// A series has no points.
    #[error("series {index} has no points: leave it out or wait for its first point")]
    EmptySeries {
        /// Its index in the order given.
        index: usize,
    },
    /// Some series ends before another one starts.
    #[error("the series do not overlap: one starts at {} ns and another ends at {} ns", .start.as_nanos(), .end.as_nanos())]
    NoOverlap {
        /// The latest of the series' first timestamps.
        start: Timestamp,
        /// The earliest of the series' last timestamps.
        end: Timestamp,
    },
    /// The series overlap, but no timestamp of the reference lies in the overlap.
    #[error("no reference timestamp lies between {} ns and {} ns, where all series have values", .start.as_nanos(), .end.as_nanos())]
    NoReferenceInside {
        /// The latest of the series' first timestamps.
        start: Timestamp,
        /// The earliest of the series' last timestamps.
        end: Timestamp,
    },
    /// A series has no value at a timestamp of the overlap.
    #[error("series {index} has no value at a reference timestamp")]
    Missing {
        /// Its index in the order given.
        index: usize,
        /// Why there is no value.
        #[source]
        reason: InterpolateError,
    },
}

/// The values of every series at those timestamps of the reference that all series cover: from the latest first point
/// of a series to the earliest last one, ends included.
///
/// # Errors
/// When the reference is empty or out of order, when there is no series or an empty one, and when no timestamp of the
/// reference is covered by all.
pub fn align<'a, T, I>(reference: &[Timestamp], series: I) -> Result<Aligned<T>, AlignError>
where
    T: Interpolate + 'a,
    I: IntoIterator<Item = &'a TimeSeries<T>>,
{
    if reference.is_empty() {
        return Err(AlignError::EmptyReference);
    }
    check_order(reference.iter().copied()).map_err(AlignError::UnsortedReference)?;

    let series: Vec<_> = series.into_iter().collect();
    let (start, end) = overlap(&series)?;
    if start > end {
        return Err(AlignError::NoOverlap { start, end });
    }
    let from = reference.partition_point(|time| *time < start);
    let to = reference.partition_point(|time| *time <= end);
    let timestamps = reference.get(from..to).unwrap_or_default().to_vec();
    if timestamps.is_empty() {
        return Err(AlignError::NoReferenceInside { start, end });
    }
    let columns = series.iter().enumerate().map(|(index, series)| {
        let values = timestamps.iter().map(|time| series.interpolate_at(*time));
        values
            .collect::<Result<Vec<T>, _>>()
            .map_err(|reason| AlignError::Missing { index, reason })
    });
    let columns = columns.collect::<Result<_, _>>()?;
    Ok(Aligned { timestamps, columns })
}

/// The latest first timestamp and the earliest last one.
fn overlap<T>(series: &[&TimeSeries<T>]) -> Result<(Timestamp, Timestamp), AlignError> {
    let mut common: Option<(Timestamp, Timestamp)> = None;
    for (index, series) in series.iter().enumerate() {
        let (Some(first), Some(last)) = (series.start(), series.end()) else {
            return Err(AlignError::EmptySeries { index });
        };
        common = Some(common.map_or((first, last), |(start, end)| (start.max(first), end.min(last))));
    }
    common.ok_or(AlignError::NoSeries)
}
