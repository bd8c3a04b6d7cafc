//! How many joules a series tells in each interval.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use alumet_core::metric::Quality;
use alumet_shared_query::{
    Backend, Bucket, Budget, Identity, Label, Matcher, Operator, QueryError, Selector, SeriesBuckets, Steps,
};

use super::meters::Reading;

/// The energy of a series.
pub(super) struct Joules {
    pub(super) series: Arc<Identity>,
    /// How the joules are known; those that are integrated from a power are modelled.
    pub(super) quality: Quality,
    /// When intervals begin, in nanoseconds since 1970, with their joules; in order.
    pub(super) points: Vec<(i64, f64)>,
}

/// Between two readings of a power that are further apart than this, in nanoseconds, nothing is known; twice the usual
/// `unchanged_interval`.
const LONGEST_GAP: i64 = 600_000_000_000;

/// The means of a power in about so many intervals are taken for it, so that a month costs no more than a day.
const MOST_INTERVALS: i64 = 10_000;
/// In nanoseconds: there is no more to see in shorter ones.
const SHORTEST_INTERVAL: i64 = 10_000_000_000;

impl Joules {
    /// In all intervals.
    pub(super) fn sum(&self) -> f64 {
        self.points.iter().fold(0.0, |sum, (_, joules)| sum + joules)
    }
}

/// The joules of the chosen series, all of which `selector` selects.
pub(super) async fn measure(
    chosen: &HashSet<Arc<Identity>>,
    selector: &Selector,
    steps: Steps,
    backend: &dyn Backend,
    budget: &Budget,
) -> Result<Vec<Joules>, QueryError> {
    let is_power = |series: &Identity| matches!(Reading::of(&series.metric), Some(Reading::Power(_)));
    let mut all = Vec::new();
    for (powers, steps_of_kind) in [(false, steps), (true, finer(steps))] {
        let of_kind = || chosen.iter().filter(|series| is_power(series) == powers);
        if of_kind().next().is_none() {
            continue;
        }
        let mut selector = selector.clone();
        for label in [Label::Metric, Label::ConsumerKind] {
            let texts: BTreeSet<_> = of_kind().filter_map(|series| series.label(&label)).collect();
            let escaped: Vec<_> = texts.iter().map(|text| regex::escape(text)).collect();
            selector
                .matchers
                .push(Matcher::new(label, Operator::Matches, &escaped.join("|"))?);
        }
        let found = backend.buckets(&selector, steps_of_kind, budget).await?;
        let found = found.into_iter().filter(|found| chosen.contains(&found.series));
        all.extend(found.filter_map(|found| Joules::of(found, steps)));
    }
    // So that sums of floats do not depend on the backend.
    all.sort_by_cached_key(|joules| joules.series.to_string());
    Ok(all)
}

/// Intervals that are short enough for a power to be nearly constant in each, as far as there are not too many.
fn finer(steps: Steps) -> Steps {
    let length = steps.end().saturating_sub(steps.start).max(1);
    let step = (length / MOST_INTERVALS).clamp(SHORTEST_INTERVAL, LONGEST_GAP);
    let step = step.min(steps.step);
    Steps {
        start: steps.start,
        step,
        count: length.unsigned_abs().div_ceil(step.unsigned_abs()),
    }
}

impl Joules {
    fn of(found: SeriesBuckets, steps: Steps) -> Option<Self> {
        let metric = &found.series.metric;
        let (reading, mut quality) = (Reading::of(metric)?, metric.quality);
        let mut points = BTreeMap::new();
        let mut before: Option<&Bucket> = None;
        for bucket in &found.buckets {
            let (between, inside) = match reading {
                Reading::Delta(factor) => (factor * bucket.first, factor * (bucket.sum - bucket.first)),
                Reading::Count(factor) => (factor * risen_between(before, bucket), factor * bucket.rise),
                Reading::Power(factor) => {
                    quality = worse(quality, Quality::Modelled);
                    let (between, inside) = integral(before, bucket);
                    (factor * between, factor * inside)
                }
            };
            let since = before.map_or(bucket.first_at, |before| before.last_at);
            spread(&mut points, steps, (since, bucket.first_at), between);
            spread(&mut points, steps, (bucket.first_at, bucket.last_at), inside);
            before = Some(bucket);
        }
        Some(Self {
            series: found.series,
            quality,
            points: points.into_iter().collect(),
        })
    }
}

/// Adds joules that were used evenly from one instant to another, to each interval its part: a sample tells what was used since the one
/// before it, and that may have been in another interval.
fn spread(points: &mut BTreeMap<i64, f64>, steps: Steps, (since, until): (i64, i64), joules: f64) {
    let Some(last) = steps.start_of(until) else {
        return;
    };
    let first = steps.start_of(since).unwrap_or(steps.start);
    if first == last || joules == 0.0 {
        *points.entry(last).or_default() += joules;
        return;
    }
    let length = (until - since.max(first)) as f64;
    let mut start = first;
    while start <= last {
        let overlap = until.min(start + steps.step) - since.max(start);
        *points.entry(start).or_default() += joules * overlap as f64 / length;
        start += steps.step;
    }
}

/// The one of two that is known less well.
pub(super) fn worse(one: Quality, other: Quality) -> Quality {
    if (other as u8) > one as u8 { other } else { one }
}

/// By how much a counter has risen from the last reading before an interval to the first in it.
fn risen_between(before: Option<&Bucket>, bucket: &Bucket) -> f64 {
    before.map_or(0.0, |before| {
        let mut both = *before;
        both.append(bucket);
        both.rise - before.rise - bucket.rise
    })
}

/// The integral of a power over time: from the last reading before an interval to the first in it, and from there to the last.
fn integral(before: Option<&Bucket>, bucket: &Bucket) -> (f64, f64) {
    let seconds = |nanos: i64| nanos as f64 / 1e9;
    let inside = bucket.sum / bucket.count as f64 * seconds(bucket.last_at.saturating_sub(bucket.first_at));
    let between = before.map_or(0.0, |before| {
        let gap = bucket.first_at.saturating_sub(before.last_at);
        let is_known = gap <= LONGEST_GAP;
        if is_known {
            (before.last + bucket.first) / 2.0 * seconds(gap)
        } else {
            0.0
        }
    });
    (between, inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_sample_tells_is_spread_over_the_intervals_since_the_one_before() {
        let steps = Steps {
            start: 0,
            step: 15,
            count: 4,
        };
        let mut points = BTreeMap::new();
        for at in [10, 20, 30, 40, 50] {
            spread(&mut points, steps, (at - 10, at), 10.0);
        }
        let expected = [(0, 15.0), (15, 15.0), (30, 15.0), (45, 5.0)];
        assert_eq!(points.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_began_before_the_range_stays_whole() {
        let steps = Steps {
            start: 30,
            step: 10,
            count: 2,
        };
        let mut points = BTreeMap::new();
        spread(&mut points, steps, (0, 45), 9.0);
        assert_eq!(points.into_iter().collect::<Vec<_>>(), [(30, 6.0), (40, 3.0)]);
    }
}
