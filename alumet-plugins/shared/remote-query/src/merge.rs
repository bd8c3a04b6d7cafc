//! Answers of several become one.

use std::sync::Arc;

use alumet_core::time::Timestamp;
use alumet_core::value::Value;
use alumet_shared_query::{Buckets, Identity, SeriesBuckets, SeriesEntry, SeriesSamples, Steps};
use hashbrown::HashMap;

/// What belongs to the same series, together.
pub(crate) fn by_series<T>(
    all: impl IntoIterator<Item = T>,
    series_of: impl Fn(&T) -> &Arc<Identity>,
) -> HashMap<Arc<Identity>, Vec<T>> {
    let mut groups: HashMap<Arc<Identity>, Vec<T>> = HashMap::new();
    for one in all {
        groups.entry(Arc::clone(series_of(&one))).or_default().push(one);
    }
    groups
}

/// Each series once.
pub(crate) fn series(entries: impl IntoIterator<Item = SeriesEntry>) -> Vec<SeriesEntry> {
    let mut all: HashMap<Arc<Identity>, SeriesEntry> = HashMap::new();
    for entry in entries {
        all.entry(Arc::clone(&entry.series))
            .and_modify(|known| {
                known.first_at = known.first_at.min(entry.first_at);
                known.last_at = known.last_at.max(entry.last_at);
            })
            .or_insert(entry);
    }
    all.into_values().collect()
}

/// Each series once, with all samples or only so many of the newest, and one for each instant: of several, the first in the order
/// in which they come.
pub(crate) fn samples(all: Vec<SeriesSamples>, newest: Option<usize>) -> Vec<SeriesSamples> {
    let groups = by_series(all, |samples| &samples.series);
    let merged = groups.into_values().filter_map(|group| {
        let mut merged = group.into_iter().reduce(two)?;
        let surplus = merged.times.len().saturating_sub(newest.unwrap_or(usize::MAX));
        merged.times.drain(..surplus);
        merged.values.drain(..surplus);
        (!merged.times.is_empty()).then_some(merged)
    });
    merged.collect()
}

fn two(a: SeriesSamples, b: SeriesSamples) -> SeriesSamples {
    let mut all: Vec<(Timestamp, Value)> = a.iter().chain(b.iter()).collect();
    // Stable: what was first stays.
    all.sort_by_key(|(at, _)| *at);
    all.dedup_by_key(|(at, _)| *at);
    let (times, values) = all.into_iter().unzip();
    SeriesSamples {
        series: a.series,
        times,
        values,
    }
}

/// What samples come to.
pub(crate) fn buckets_of(samples: &SeriesSamples, steps: Steps) -> SeriesBuckets {
    let mut buckets = Buckets::new(steps);
    for (at, value) in samples.iter() {
        buckets.add(at, value.as_f64());
    }
    SeriesBuckets {
        series: Arc::clone(&samples.series),
        buckets: buckets.finish(),
    }
}

/// A series that has these samples.
pub(crate) fn entry_of(samples: &SeriesSamples) -> Option<SeriesEntry> {
    Some(SeriesEntry {
        series: Arc::clone(&samples.series),
        first_at: samples.times.first()?.as_nanos(),
        last_at: samples.times.last()?.as_nanos(),
    })
}
