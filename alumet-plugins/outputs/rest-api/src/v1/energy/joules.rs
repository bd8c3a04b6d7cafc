//! How many joules a series tells in each interval.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use alumet_core::metric::Quality;
use alumet_shared_query::{
    Backend, Bucket, Budget, Identity, Label, Matcher, Operator, QueryError, Selector, SeriesBuckets, Steps,
    amount,
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
        let found = amount::with_neighbours(backend, &selector, steps_of_kind, budget).await?;
        for found in found.into_iter().filter(|found| chosen.contains(&found.series)) {
            all.extend(Joules::of(found, steps, budget)?);
        }
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
    fn of(found: SeriesBuckets, steps: Steps, budget: &Budget) -> Result<Option<Self>, QueryError> {
        let metric = &found.series.metric;
        let Some(reading) = Reading::of(metric) else {
            return Ok(None);
        };
        let (factor, amount): (_, amount::Amount) = match reading {
            Reading::Delta(factor) => (factor, amount::of_delta),
            Reading::Count(factor) => (factor, amount::of_counter),
            Reading::Power(factor) => (factor, integral),
        };
        let mut points = amount::spread(&found.buckets, steps, budget, amount)?;
        points.iter_mut().for_each(|(_, joules)| *joules *= factor);
        let quality = match reading {
            Reading::Power(_) => worse(metric.quality, Quality::Modelled),
            _ => metric.quality,
        };
        Ok(Some(Self {
            series: found.series,
            quality,
            points,
        }))
    }
}

/// The one of two that is known less well.
pub(super) fn worse(one: Quality, other: Quality) -> Quality {
    if (other as u8) > one as u8 { other } else { one }
}

/// The integral of a power over time: from the last reading before an interval to the first in it, and to the last.
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
    (between, between + inside)
}
