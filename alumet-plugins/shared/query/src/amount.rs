//! How much there was in each interval, of what a delta or a counter tells.
//!
//! A sample tells what arose since the one before it, and not when. So this is taken to have arisen evenly in between, and each
//! interval has the part that lies in it: samples at a constant rate are a constant rate in intervals of any length. What arose
//! partly before the first interval or after the last counts there with the other part, so that ranges next to each other have
//! all of it, and nothing twice. Of samples that a store has thinned out, the same is known from the first to the last of each
//! interval that it keeps.
//!
//! If there is no sample before, or none for longer than ten minutes (with intervals longer than that: than an interval, and at
//! most an hour), then all counts where the sample is. So does a 0, which says nothing about a gap before it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::backend::{Backend, SeriesBuckets};
use crate::bucket::{Bucket, Steps, rise};
use crate::budget::Budget;
use crate::error::QueryError;
use crate::identity::Identity;
use crate::selector::Selector;

/// The intervals of series, and for each series what lies next to them, if there is something near: one interval before the
/// first and one after the last, for [`spread`].
///
/// # Errors
/// See [`QueryError`].
pub async fn with_neighbours(
    backend: &dyn Backend,
    selector: &Selector,
    steps: Steps,
    budget: &Budget,
) -> Result<Vec<SeriesBuckets>, QueryError> {
    let reach = reach(steps);
    let next_to = |start: Option<i64>| {
        Some(Steps {
            start: start?,
            step: reach,
            count: 1,
        })
    };
    let before = next_to(steps.start.checked_sub(reach));
    let after = next_to(Some(steps.end()).filter(|end| end.checked_add(reach).is_some()));
    let mut all: HashMap<Arc<Identity>, Vec<Bucket>> = HashMap::new();
    for steps in [before, Some(steps), after].into_iter().flatten() {
        for found in backend.buckets(selector, steps, budget).await? {
            all.entry(found.series).or_default().extend(found.buckets);
        }
    }
    let all = all.into_iter();
    Ok(all
        .map(|(series, buckets)| SeriesBuckets { series, buckets })
        .collect())
}

/// How much arose since the last sample of the bucket before, which may be unknown: until the first sample of a bucket, and until
/// its last.
pub type Amount = fn(Option<&Bucket>, &Bucket) -> (f64, f64);

/// How much arose in each of the intervals, by their beginnings and in order.
///
/// # Errors
/// When the intervals between samples are more than the budget has.
pub fn spread(
    buckets: &[Bucket],
    steps: Steps,
    budget: &Budget,
    amount: Amount,
) -> Result<Vec<(i64, f64)>, QueryError> {
    let mut points = Points {
        steps,
        points: Vec::new(),
    };
    let mut before: Option<&Bucket> = None;
    for bucket in buckets {
        let (between, whole) = amount(before, bucket);
        let near = before.map(|before| before.last_at);
        let near = near.filter(|last| bucket.first_at.saturating_sub(*last) <= reach(steps));
        let since = near.unwrap_or(bucket.first_at);
        if points.has_in_one(since, bucket.last_at) {
            points.add(since, bucket.last_at, whole);
        } else {
            points.add(since, bucket.first_at, between);
            if bucket.first_at < bucket.last_at || whole != between {
                points.add(bucket.first_at, bucket.last_at, whole - between);
            }
        }
        before = Some(bucket);
    }
    budget.spend(points.points.len().saturating_sub(buckets.len()) as u64)?;
    Ok(points.points)
}

/// The amounts of a delta.
pub fn of_delta(_: Option<&Bucket>, bucket: &Bucket) -> (f64, f64) {
    (bucket.first, bucket.sum)
}

/// The amounts by which a counter has risen.
pub fn of_counter(before: Option<&Bucket>, bucket: &Bucket) -> (f64, f64) {
    let between = before.map_or(0.0, |before| rise(before.last, bucket.first));
    (between, between + bucket.rise)
}

/// How long what one sample tells may take, in nanoseconds, to be taken to have arisen evenly: ten minutes, or a step up to an hour,
/// which is the longest interval that stores keep.
fn reach(steps: Steps) -> i64 {
    const MINUTE: i64 = 60_000_000_000;
    steps.step.clamp(10 * MINUTE, 60 * MINUTE)
}

/// Amounts by interval.
struct Points {
    steps: Steps,
    points: Vec<(i64, f64)>,
}

impl Points {
    /// Whether one interval has all that is after one instant and until another.
    fn has_in_one(&self, since: i64, until: i64) -> bool {
        let start = self.steps.start_of(since);
        start.is_some_and(|start| since < until && until - start <= self.steps.step)
    }

    /// Divides what arose after one instant and until another.
    fn add(&mut self, since: i64, until: i64, amount: f64) {
        if since >= until || amount == 0.0 {
            // The instant `until` is the end of that time, unless it is all of it.
            let at = if since < until { until - 1 } else { until };
            if let Some(start) = self.steps.start_of(at) {
                self.book(start, amount);
            }
            return;
        }
        let part = |from: i64, to: i64| amount * (to - from) as f64 / until.saturating_sub(since) as f64;
        let first = since.max(self.steps.start);
        // What is left for the interval that has the end, so that rounding takes nothing away.
        let mut left = amount - part(since, first);
        let mut next = self.steps.start_of(first);
        while let Some(start) = next.filter(|start| *start < until) {
            let end = start.saturating_add(self.steps.step);
            if end >= until {
                return self.book(start, left);
            }
            let here = part(start.max(since), end);
            left -= here;
            self.book(start, here);
            next = self.steps.start_of(end);
        }
    }

    fn book(&mut self, start: i64, amount: f64) {
        match self.points.last_mut() {
            Some((last, so_far)) if *last >= start => *so_far += amount,
            _ => self.points.push((start, amount)),
        }
    }
}

#[cfg(test)]
mod tests {
    use alumet_core::metric::{Metric, MetricKind, Quality};
    use alumet_core::time::Timestamp;
    use alumet_core::unit::Unit;
    use alumet_core::value::ValueType;
    use alumet_core::{Attributes, Consumer, Resource};
    use proptest::prelude::*;

    use crate::bucket::Buckets;
    use crate::budget::Limits;
    use crate::testkit::Listed;

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn budget() -> Budget {
        Budget::new(Limits::default())
    }

    fn steps(start: i64, step: i64, count: u64) -> Steps {
        Steps {
            start: start * SECOND,
            step: step * SECOND,
            count,
        }
    }

    /// The amounts of samples at these seconds, which are kept by `kept` seconds, or as they are.
    fn amounts(samples: &[(i64, f64)], kept: Option<i64>, steps: Steps) -> Vec<(i64, f64)> {
        let metric = Metric {
            name: "m".into(),
            kind: MetricKind::Delta,
            value_type: ValueType::F64,
            unit: Unit::JOULE,
            description: "".into(),
            quality: Quality::Measured,
        };
        let series = Identity {
            metric: Arc::new(metric),
            resource: Resource::LocalMachine,
            consumer: Consumer::LocalMachine,
            attributes: Attributes::EMPTY,
        };
        let list = Listed::default();
        for (at, value) in samples {
            list.push(&series, Timestamp::from_nanos(at * SECOND), *value);
        }
        if let Some(kept) = kept {
            list.thin_out(Timestamp::from_nanos(i64::MAX), kept * SECOND);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (selector, budget) = (Selector::default(), budget());
        let asked = with_neighbours(&list, &selector, steps, &budget);
        let found = runtime.block_on(asked).unwrap();
        let buckets = found.first().map_or(&[][..], |found| &found.buckets);
        let points = spread(buckets, steps, &budget, of_delta).unwrap();
        points
            .into_iter()
            .map(|(at, amount)| (at / SECOND, amount))
            .collect()
    }

    proptest! {
        #[test]
        fn what_is_sampled_regularly_is_flat_whatever_the_step_and_how_it_is_kept(
            (interval, phase, step) in (1_i64..90, 0_i64..90, 1_i64..400),
            kept in prop::sample::select(vec![None, Some(60), Some(3600)]),
        ) {
            // A joule per second, for six hours.
            let samples = (0..).map(|index| (phase + index * interval, interval as f64));
            let samples: Vec<_> = samples.take_while(|(at, _)| *at < 6 * 3600).collect();
            // What is kept is never asked for in parts.
            let step = kept.map_or(step, |kept| kept * (step % 3 + 1));
            let asked = steps(2 * 3600, step, 3600_u64.div_ceil(step.unsigned_abs()));
            let amounts = amounts(&samples, kept, asked);
            prop_assert_eq!(amounts.len() as u64, asked.count);
            for (at, amount) in amounts {
                prop_assert!((amount - step as f64).abs() < 1e-6, "{amount} at {at}");
            }
        }

        #[test]
        fn the_sum_over_steps_is_the_total_and_ranges_next_to_each_other_have_all_of_it(
            values in prop::collection::vec((1_i64..500, 0_u32..100), 1..40),
            (step, cut) in (1_i64..700, 1_u64..20),
        ) {
            let mut at = 0;
            let samples = values.iter().map(|(gap, value)| {
                at += gap;
                (at, f64::from(*value) / 10.0)
            });
            let samples: Vec<_> = samples.collect();
            let count = at.unsigned_abs() / step.unsigned_abs() + 1;
            let total: f64 = samples.iter().map(|(_, value)| value).sum();
            let sum = |asked: Steps| amounts(&samples, None, asked).iter().map(|(_, amount)| amount).sum::<f64>();
            prop_assert_eq!(sum(steps(0, at + 1, 1)).to_bits(), total.to_bits());
            prop_assert!((sum(steps(0, step, count)) - total).abs() < 1e-9);
            let cut = cut.min(count);
            let parts = sum(steps(0, step, cut)) + sum(steps(step * cut.cast_signed(), step, count - cut));
            prop_assert!((parts - total).abs() < 1e-9, "{parts} of {total}");
        }
    }

    #[test]
    fn what_a_sample_tells_is_spread_over_the_intervals_since_the_one_before() {
        let samples: Vec<_> = (0..=5)
            .map(|index| (index * 10, if index == 0 { 0.0 } else { 10.0 }))
            .collect();
        let expected = [(0, 15.0), (15, 15.0), (30, 15.0), (45, 5.0)];
        assert_eq!(amounts(&samples, None, steps(0, 15, 4)), expected);
        // Of what arose partly in the range, that part.
        assert_eq!(
            amounts(&[(25, 0.0), (45, 8.0)], None, steps(30, 10, 1)),
            [(30, 4.0)]
        );
    }

    #[test]
    fn the_first_sample_and_the_first_after_a_long_gap_count_where_they_are() {
        let samples = [(5, 3.0), (15, 1.0), (3000, 7.0)];
        assert_eq!(
            amounts(&samples, None, steps(0, 10, 400)),
            [(0, 3.5), (10, 0.5), (3000, 7.0)]
        );
    }

    #[test]
    fn a_delta_that_begins_again_after_a_gap_fills_none() {
        let samples = [(0, 0.0), (10, 1.0), (60, 0.0), (70, 1.0)];
        let expected = [(0, 1.0), (50, 0.0), (60, 1.0)];
        assert_eq!(amounts(&samples, None, steps(0, 10, 10)), expected);
    }

    #[test]
    fn a_counter_has_risen_since_the_reading_before() {
        let mut buckets = Buckets::new(steps(0, 10, 3));
        for (at, value) in [(5, 2.0), (15, 6.0), (25, 1.0)] {
            buckets.add(Timestamp::from_nanos(at * SECOND), value);
        }
        let risen = spread(&buckets.finish(), steps(0, 10, 3), &budget(), of_counter).unwrap();
        let amounts: Vec<_> = risen.into_iter().map(|(_, amount)| amount).collect();
        assert_eq!(amounts, [2.0, 2.5, 0.5]);
    }

    #[test]
    fn intervals_between_samples_are_booked() {
        let mut buckets = Buckets::new(steps(0, 1, 100));
        for at in [0, 50] {
            buckets.add(Timestamp::from_nanos(at * SECOND), 1.0);
        }
        let limits = Limits {
            samples: 40,
            ..Limits::default()
        };
        let asked = spread(
            &buckets.finish(),
            steps(0, 1, 100),
            &Budget::new(limits),
            of_delta,
        );
        assert!(matches!(asked, Err(QueryError::TooMuch { .. })), "{asked:?}");
    }
}
