//! Reads the samples that an expression needs.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use alumet_core::Timestamp;
use alumet_core::metric::MetricKind;
use alumet_shared_prometheus_names::Naming;
use alumet_shared_query::{
    Backend, Bucket, Budget, Identity, Matcher, QueryError, Range, Selector, SeriesSamples, Steps,
};

use crate::labels::Labels;
use crate::scraped::{Read, Series, joined};
use crate::select::{Found, find, narrowed};

/// In nanoseconds.
const MINUTE: i64 = 60_000_000_000;

/// The intervals that are read where all samples would be too many, in nanoseconds: those that stores keep.
pub(crate) const INTERVALS: [i64; 2] = [MINUTE, 60 * MINUTE];

/// What is read of the samples.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) range: Range,
    /// Only the last sample of each series.
    pub(crate) newest: bool,
    /// Whether the values count that a counter has, and not only how it moves.
    pub(crate) values: bool,
    /// The longest intervals of which what samples came to is enough, in nanoseconds.
    pub(crate) longest: i64,
}

/// Reads the samples of the series that match, in the units and with the sums that a scrape would have shown.
pub(crate) async fn load(
    backend: &dyn Backend,
    naming: &Naming,
    matchers: &[Matcher],
    mut wanted: Wanted,
    budget: &Budget,
) -> Result<Vec<Series>, QueryError> {
    let found = find(backend, naming, matchers, wanted.range, budget).await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let selector = Selector {
        matchers: narrowed(naming, matchers, &found)?,
    };
    // What a delta comes to until then is known of whole hours, and the rest must be read.
    let has_deltas = found
        .iter()
        .any(|found| found.series.metric.kind == MetricKind::Delta);
    let mut sums = None;
    if wanted.values && has_deltas {
        wanted.newest = false;
        wanted.range.from = hour_of(wanted.range.from);
        sums = Some(sums_until(backend, &selector, &found, wanted.range.from, budget).await?);
    }
    let interval = interval(backend, &selector, found.len() as u64, wanted, budget).await?;
    let samples = match interval {
        Some(_) => Vec::new(),
        None => {
            let newest = wanted.newest.then_some(1);
            backend.samples(&selector, wanted.range, newest, budget).await?
        }
    };
    let mut samples: HashMap<_, _> = samples
        .into_iter()
        .map(|samples| (Arc::clone(&samples.series), samples))
        .collect();
    let mut thinned = thinned(
        backend,
        &selector,
        &found,
        &samples,
        wanted,
        interval.unwrap_or(MINUTE),
        budget,
    )
    .await?;
    let mut by_labels: BTreeMap<Labels, Series> = BTreeMap::new();
    for found in found {
        budget.check()?;
        let series = &found.series;
        let raw = samples
            .remove(series)
            .map(|samples| (samples.times, samples.values));
        let (times, values) = raw.unwrap_or_default();
        let read = Read {
            thinned: thinned.remove(series).unwrap_or_default(),
            times,
            values,
            before: sums.as_ref().map(|sums| sums.get(series).copied().unwrap_or(0.0)),
        };
        let is_counter = series.metric.kind != MetricKind::Gauge;
        let mut series = read.into_series(naming, &found);
        series.is_whole |= found.first_at >= wanted.range.from;
        if series.times.is_empty() {
            continue;
        }
        if let Some(other) = by_labels.remove(&series.labels) {
            series = joined(other, series, is_counter);
        }
        by_labels.insert(series.labels.clone(), series);
    }
    Ok(by_labels.into_values().collect())
}

/// The intervals that are read instead of samples, if those are too many for the budget: the shortest of those that are enough.
///
/// # Errors
/// When that is too much as well; it says what would not be.
async fn interval(
    backend: &dyn Backend,
    selector: &Selector,
    series: u64,
    wanted: Wanted,
    budget: &Budget,
) -> Result<Option<i64>, QueryError> {
    let Range { from, until } = wanted.range;
    let length = until.saturating_sub(from);
    let every = |nanos: i64| series.saturating_mul((length / nanos).unsigned_abs());
    // What is measured more often than ten times in a second is not looked at beforehand.
    if wanted.newest || every(100_000_000) <= budget.samples_left() {
        return Ok(None);
    }
    let whole = Steps::whole(Timestamp::from_nanos(from), Timestamp::from_nanos(until));
    let counted = backend.buckets(selector, whole, budget).await?;
    let count: u64 = counted
        .iter()
        .flat_map(|found| &found.buckets)
        .map(|bucket| bucket.count)
        .sum();
    let left = budget.samples_left();
    if count <= left {
        return Ok(None);
    }
    let fits = |interval: &i64| every(*interval) <= left;
    match INTERVALS.into_iter().find(fits) {
        Some(interval) if interval <= wanted.longest => Ok(Some(interval)),
        fitting => {
            let hours = (length as f64 * left as f64 / count as f64 / 3.6e12).floor();
            let shorter = format!("ask for fewer series, or for a range of {hours}h");
            let remedy = match fitting {
                Some(MINUTE) => format!(
                    "{shorter}, or let `start`, `step` and windows be multiples of 1m, and windows of rates 4m or more"
                ),
                Some(_) => format!(
                    "{shorter}, or let `start`, `step` and windows be multiples of 1h, and windows of rates 4h or more"
                ),
                None => shorter,
            };
            Err(QueryError::TooMuch {
                what: "samples",
                limit: budget.limits().samples,
                remedy: remedy.into(),
            })
        }
    }
}

/// What there is in the range before the samples of each series, if a store has thinned those out: the intervals that have ended
/// by then.
async fn thinned(
    backend: &dyn Backend,
    selector: &Selector,
    found: &[Found],
    samples: &HashMap<Arc<Identity>, SeriesSamples>,
    wanted: Wanted,
    interval: i64,
    budget: &Budget,
) -> Result<HashMap<Arc<Identity>, Vec<Bucket>>, QueryError> {
    let range = wanted.range;
    let begin = |found: &Found| match samples.get(&found.series) {
        // It is the last, and all that is wanted.
        Some(_) if wanted.newest => range.from,
        Some(samples) => samples
            .times
            .first()
            .map_or(range.until, |first| first.as_nanos()),
        None => range.until,
    };
    let known_from = |found: &Found| found.first_at.max(range.from);
    // What is measured less often than once in two minutes is asked for in vain.
    let is_gap = |found: &&Found| begin(found).saturating_sub(known_from(found)) > 2 * MINUTE;
    let Some(until) = found.iter().filter(is_gap).map(begin).max() else {
        return Ok(HashMap::new());
    };
    // An interval may have begun an hour before it ends.
    let start = hour_of(found.iter().map(known_from).min().unwrap_or(range.from));
    let steps = Steps::aligned(
        Timestamp::from_nanos(start),
        Timestamp::from_nanos(until),
        Duration::from_nanos(interval.unsigned_abs()),
    )?;
    let begins: HashMap<&Arc<Identity>, i64> =
        found.iter().map(|found| (&found.series, begin(found))).collect();
    let intervals = backend.buckets(selector, steps, budget).await?.into_iter();
    let before = intervals.map(|mut found| {
        let begin = begins.get(&found.series).copied().unwrap_or(range.from);
        found
            .buckets
            .retain(|bucket| (range.from..begin).contains(&bucket.last_at));
        (found.series, found.buckets)
    });
    Ok(before.collect())
}

/// What each series comes to from its first sample until the beginning of an hour.
async fn sums_until(
    backend: &dyn Backend,
    selector: &Selector,
    found: &[Found],
    until: i64,
    budget: &Budget,
) -> Result<HashMap<Arc<Identity>, f64>, QueryError> {
    let first_at = found.iter().map(|found| found.first_at).min();
    let start = first_at.map_or(until, hour_of);
    if start >= until {
        return Ok(HashMap::new());
    }
    let steps = Steps::whole(Timestamp::from_nanos(start), Timestamp::from_nanos(until));
    let sums = backend.buckets(selector, steps, budget).await?.into_iter();
    let sums = sums.map(|found| (found.series, found.buckets.iter().map(|bucket| bucket.sum).sum()));
    Ok(sums.collect())
}

const fn hour_of(nanos: i64) -> i64 {
    nanos.saturating_sub(nanos.rem_euclid(60 * MINUTE))
}
