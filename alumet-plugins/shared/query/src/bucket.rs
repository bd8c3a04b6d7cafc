use std::time::Duration;

use alumet_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::QueryError;

/// What the samples of a series come to in one interval. A sample that is not a number counts as none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// When the interval begins, in nanoseconds since 1970.
    pub start: i64,
    /// How many samples there are; at least one.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// The first.
    pub first: f64,
    /// The last.
    pub last: f64,
    /// When the first was, in nanoseconds since 1970.
    pub first_at: i64,
    /// When the last was.
    pub last_at: i64,
    /// By how much a counter has risen from the first to the last: a value that is less than the one before it begins at 0.
    pub rise: f64,
}

impl Bucket {
    fn of(start: i64, at: i64, value: f64) -> Self {
        Self {
            start,
            count: 1,
            sum: value,
            min: value,
            max: value,
            first: value,
            last: value,
            first_at: at,
            last_at: at,
            rise: 0.0,
        }
    }

    /// This and what came after it.
    pub fn append(&mut self, later: &Self) {
        self.rise += rise(self.last, later.first) + later.rise;
        self.count += later.count;
        self.sum += later.sum;
        self.min = self.min.min(later.min);
        self.max = self.max.max(later.max);
        self.last = later.last;
        self.last_at = later.last_at;
    }
}

/// By how much a counter has risen from one value to the next.
pub(crate) fn rise(before: f64, after: f64) -> f64 {
    if after >= before { after - before } else { after }
}

/// Intervals of equal length, one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steps {
    /// When the first begins, in nanoseconds since 1970.
    pub start: i64,
    /// How long each is, in nanoseconds; at least one.
    pub step: i64,
    /// How many there are.
    pub count: u64,
}

impl Steps {
    /// One interval: a whole range.
    pub fn whole(from: Timestamp, until: Timestamp) -> Self {
        // A range that is longer than a step can be begins later: no sample is three centuries old.
        let start = from.as_nanos().max(until.as_nanos().saturating_sub(i64::MAX));
        Self {
            start,
            step: until.as_nanos().saturating_sub(start).max(1),
            count: 1,
        }
    }

    /// The intervals that have a part of `from..until`. They begin at multiples of the step since 1970, so that the same question
    /// later is about the same intervals.
    ///
    /// # Errors
    /// When the step is shorter than a nanosecond or longer than a century.
    pub fn aligned(from: Timestamp, until: Timestamp, step: Duration) -> Result<Self, QueryError> {
        let nanos = i64::try_from(step.as_nanos())
            .ok()
            .filter(|step| (1..=Self::CENTURY).contains(step));
        let step = nanos.ok_or_else(|| {
            QueryError::Invalid("a step is at least a nanosecond, and at most a century".to_owned())
        })?;
        let first = from.as_nanos().div_euclid(step);
        let start = first.saturating_mul(step);
        let length = until.as_nanos().saturating_sub(start).max(0).unsigned_abs();
        Ok(Self {
            start,
            step,
            count: length.div_ceil(step.unsigned_abs()),
        })
    }

    const CENTURY: i64 = 100 * 366 * 86_400 * 1_000_000_000;

    /// When all are over.
    pub fn end(&self) -> i64 {
        let nanos = i128::from(self.start) + i128::from(self.step) * i128::from(self.count);
        i64::try_from(nanos).unwrap_or(i64::MAX)
    }

    /// When the interval begins that has this instant; `None` if none has it.
    pub fn start_of(&self, at: i64) -> Option<i64> {
        if at < self.start || at >= self.end() {
            return None;
        }
        Some(at - (at - self.start) % self.step)
    }
}

/// Sorts what comes in order of time into intervals.
#[derive(Debug, Clone)]
pub struct Buckets {
    steps: Steps,
    done: Vec<Bucket>,
}

impl Buckets {
    /// Nothing yet.
    pub const fn new(steps: Steps) -> Self {
        Self {
            steps,
            done: Vec::new(),
        }
    }

    /// A sample that is not older than what came before; one that is in none of the intervals, or is not a number, counts as
    /// none.
    pub fn add(&mut self, at: Timestamp, value: f64) {
        if !value.is_nan() {
            self.append(&Bucket::of(at.as_nanos(), at.as_nanos(), value));
        }
    }

    /// What samples came to that are not older than those before, in an interval that lies within one of these.
    pub fn append(&mut self, finer: &Bucket) {
        let step = self.steps.step;
        let is_in = |last: &Bucket| (last.start..last.start.saturating_add(step)).contains(&finer.start);
        match self.done.last_mut() {
            Some(last) if is_in(last) => last.append(finer),
            _ => {
                let start = self.steps.start_of(finer.start);
                self.done.extend(start.map(|start| Bucket { start, ..*finer }));
            }
        }
    }

    /// The intervals that have samples, in order.
    pub fn finish(self) -> Vec<Bucket> {
        self.done
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn buckets(steps: Steps, samples: &[(i64, f64)]) -> Vec<Bucket> {
        let mut buckets = Buckets::new(steps);
        for (at, value) in samples {
            buckets.add(Timestamp::from_nanos(*at), *value);
        }
        buckets.finish()
    }

    fn steps(start: i64, step: i64, count: u64) -> Steps {
        Steps { start, step, count }
    }

    #[test]
    fn samples_are_sorted_into_the_intervals_that_have_them() {
        let samples = [
            (9, 1.0),
            (10, 2.0),
            (14, f64::NAN),
            (19, 4.0),
            (35, 8.0),
            (40, 16.0),
        ];
        let buckets = buckets(steps(10, 10, 3), &samples);
        let sums: Vec<_> = buckets
            .iter()
            .map(|bucket| (bucket.start, bucket.count, bucket.sum))
            .collect();
        assert_eq!(sums, [(10, 2, 6.0), (30, 1, 8.0)]);
        assert_eq!((buckets[0].first_at, buckets[0].last_at), (10, 19));
    }

    #[test]
    fn a_counter_that_starts_again_has_risen_by_its_new_value() {
        let buckets = buckets(steps(0, 10, 1), &[(0, 5.0), (1, 7.0), (2, 1.0), (3, 4.0)]);
        assert_eq!(buckets[0].rise, 2.0 + 1.0 + 3.0);
    }

    #[test]
    fn steps_begin_at_multiples_whatever_the_range() {
        let aligned = |from, until| {
            let step = Duration::from_nanos(10);
            Steps::aligned(Timestamp::from_nanos(from), Timestamp::from_nanos(until), step).unwrap()
        };
        assert_eq!(aligned(15, 31), steps(10, 10, 3));
        assert_eq!(aligned(20, 30), steps(20, 10, 1));
        assert_eq!(aligned(-5, 1), steps(-10, 10, 2));
        assert_eq!(aligned(30, 20), steps(30, 10, 0));
        assert_eq!(aligned(i64::MIN, i64::MAX).start_of(i64::MAX), None);
        let none = Steps::aligned(Timestamp::from_nanos(0), Timestamp::from_nanos(1), Duration::ZERO);
        assert!(none.is_err());
    }

    #[test]
    fn a_whole_range_ends_where_it_ends_however_long_it_is() {
        let end = |from, until| Steps::whole(Timestamp::from_nanos(from), Timestamp::from_nanos(until)).end();
        assert_eq!(end(5, 9), 9);
        assert_eq!(end(i64::MIN, i64::MAX), i64::MAX);
        assert_eq!(end(i64::MIN, 7), 7);
    }

    proptest! {
        #[test]
        fn buckets_of_buckets_are_those_of_the_samples(
            values in prop::collection::vec((0_i64..100, 0_u32..50), 0..60),
            (fine, factor) in (1_i64..8, 1_i64..5),
        ) {
            let mut samples: Vec<_> = values.iter().map(|(at, value)| (*at, f64::from(*value))).collect();
            samples.sort_by_key(|(at, _)| *at);
            let coarse = steps(0, fine * factor, 100);
            let mut again = Buckets::new(coarse);
            for bucket in buckets(steps(0, fine, 100), &samples) {
                again.append(&bucket);
            }
            prop_assert_eq!(again.finish(), buckets(coarse, &samples));
        }
    }
}
