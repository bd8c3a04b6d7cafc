use std::sync::Arc;

use alumet_core::async_trait;
use alumet_core::time::Timestamp;
use alumet_core::value::Value;
use serde::{Deserialize, Serialize};

use crate::bucket::{Bucket, Steps};
use crate::budget::Budget;
use crate::error::QueryError;
use crate::identity::Identity;
use crate::selector::Selector;

/// Has series, and can be asked for them.
///
/// Answers have each series once, in any order. What one lacks that is given nevertheless is noted with [`Budget::lack`]. What is selected by a label that the backend cannot look up is selected here, by
/// [`Selector::selects`].
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// The series that have samples in the range, or probably have: a store may know only when a series began and ended.
    ///
    /// # Errors
    /// See [`QueryError`].
    async fn series(
        &self,
        selector: &Selector,
        range: Range,
        budget: &Budget,
    ) -> Result<Vec<SeriesEntry>, QueryError>;

    /// The samples in the range, of each series in order of time and one per instant. With `newest`, only so many of each: the
    /// last.
    ///
    /// # Errors
    /// See [`QueryError`].
    async fn samples(
        &self,
        selector: &Selector,
        range: Range,
        newest: Option<usize>,
        budget: &Budget,
    ) -> Result<Vec<SeriesSamples>, QueryError>;

    /// What the samples come to in each interval. A store whose old samples are thinned out answers with what is left: the interval
    /// that has a thinned one's begin.
    ///
    /// # Errors
    /// See [`QueryError`].
    async fn buckets(
        &self,
        selector: &Selector,
        steps: Steps,
        budget: &Budget,
    ) -> Result<Vec<SeriesBuckets>, QueryError>;

    /// How it is.
    async fn status(&self) -> BackendStatus;

    /// A number that changes whenever an answer may be another one; `None` if that is not known. It is cheap.
    fn generation(&self) -> Option<u64>;
}

/// From one instant until another, which does not belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The first instant, in nanoseconds since 1970.
    pub from: i64,
    /// The instant after the last.
    pub until: i64,
}

impl Range {
    /// All times.
    pub const ALL: Self = Self {
        from: i64::MIN,
        until: i64::MAX,
    };

    /// Between two timestamps.
    pub const fn new(from: Timestamp, until: Timestamp) -> Self {
        Self {
            from: from.as_nanos(),
            until: until.as_nanos(),
        }
    }

    /// Whether an instant belongs to it.
    pub const fn contains(self, at: Timestamp) -> bool {
        self.from <= at.as_nanos() && at.as_nanos() < self.until
    }
}

/// A series of a backend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesEntry {
    /// What it is.
    pub series: Arc<Identity>,
    /// When its first sample is, in nanoseconds since 1970.
    pub first_at: i64,
    /// When its last one is.
    pub last_at: i64,
}

/// Samples of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesSamples {
    /// What it is.
    pub series: Arc<Identity>,
    /// When the samples are; in order, none twice.
    pub times: Vec<Timestamp>,
    /// Their values: as many.
    pub values: Vec<Value>,
}

impl SeriesSamples {
    /// The samples.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Timestamp, Value)> + ExactSizeIterator {
        self.times.iter().copied().zip(self.values.iter().copied())
    }
}

/// Intervals of a series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesBuckets {
    /// What it is.
    pub series: Arc<Identity>,
    /// The intervals that have samples, in order.
    pub buckets: Vec<Bucket>,
}

/// How a backend is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BackendStatus {
    /// How many series it has; `None` if it does not know without a search.
    pub series: Option<u64>,
    /// How many samples it has.
    pub samples: Option<u64>,
    /// How many bytes it takes on disk.
    pub bytes: Option<u64>,
    /// How many instants of each graphics processor it keeps, if it keeps only so many.
    pub max_entries_per_gpu: Option<u64>,
    /// What is wrong with it, for people.
    pub problems: Vec<String>,
}
