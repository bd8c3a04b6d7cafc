//! Intervals of several collectors become one.

use std::collections::BTreeMap;
use std::sync::Arc;

use alumet_shared_query::{Bucket, Identity, Label, Range, Selector, SeriesBuckets, SeriesSamples, Steps};
use hashbrown::HashMap;

use crate::merge;

/// With more gaps than that, all between the first and the last interval is asked for.
const MOST_RANGES: usize = 8;

/// What collectors say of intervals.
pub(super) struct Several {
    steps: Steps,
    /// The intervals of each series, by their beginnings: mostly one of each.
    series: HashMap<Arc<Identity>, BTreeMap<i64, Vec<Bucket>>>,
}

impl Several {
    /// All that was answered. What certainly has no sample in common is one interval already.
    pub(super) fn new(answers: impl IntoIterator<Item = SeriesBuckets>, steps: Steps) -> Self {
        let groups = merge::by_series(answers, |found| &found.series).into_iter();
        let series = groups.map(|(series, group)| {
            let mut intervals: BTreeMap<i64, Vec<Bucket>> = BTreeMap::new();
            for bucket in group.into_iter().flat_map(|found| found.buckets) {
                intervals.entry(bucket.start).or_default().push(bucket);
            }
            intervals.values_mut().for_each(join);
            (series, intervals)
        });
        Self {
            steps,
            series: series.collect(),
        }
    }

    /// The ranges and the series of which the samples must be known.
    pub(super) fn doubtful(&self, selector: &Selector) -> Option<(Vec<Range>, Selector)> {
        let mut starts: Vec<i64> = Vec::new();
        let mut doubtful = Vec::new();
        for (series, intervals) in &self.series {
            let before = starts.len();
            let several = intervals.iter().filter(|(_, several)| several.len() > 1);
            starts.extend(several.map(|(start, _)| *start));
            if starts.len() > before {
                doubtful.push(&**series);
            }
        }
        starts.sort_unstable();
        starts.dedup();
        let mut ranges: Vec<Range> = Vec::new();
        for start in starts {
            let until = start.saturating_add(self.steps.step);
            match ranges.last_mut() {
                Some(last) if last.until == start => last.until = until,
                _ => ranges.push(Range { from: start, until }),
            }
        }
        let (first, last) = (ranges.first()?, ranges.last()?);
        if ranges.len() > MOST_RANGES {
            ranges = vec![Range {
                from: first.from,
                until: last.until,
            }];
        }
        Some((ranges, narrowed(selector, &doubtful)))
    }

    /// Takes samples, merged, for what was doubtful. Where a collector has less of them than it had when it counted, because old
    /// ones are thinned out, the interval with the most samples stays.
    pub(super) fn settle(&mut self, samples: &[SeriesSamples]) {
        for samples in samples {
            let Some(intervals) = self.series.get_mut(&samples.series) else {
                continue;
            };
            for bucket in merge::buckets_of(samples, self.steps).buckets {
                if let Some(several) = intervals.get_mut(&bucket.start)
                    && several.len() > 1
                    && several.iter().all(|one| one.count <= bucket.count)
                {
                    *several = vec![bucket];
                }
            }
        }
    }

    /// The intervals.
    pub(super) fn finish(self) -> Vec<SeriesBuckets> {
        let series = self.series.into_iter().map(|(series, intervals)| {
            let most = |several: Vec<Bucket>| several.into_iter().max_by_key(|bucket| bucket.count);
            SeriesBuckets {
                series,
                buckets: intervals.into_values().filter_map(most).collect(),
            }
        });
        series.collect()
    }
}

/// Makes one of intervals if the samples of each lie before those of the next.
fn join(several: &mut Vec<Bucket>) {
    several.sort_by_key(|bucket| bucket.first_at);
    if several.is_sorted_by(|before, after| before.last_at < after.first_at) {
        let joined = several.drain(..).reduce(|mut before, after| {
            before.append(&after);
            before
        });
        several.extend(joined);
    }
}

/// The selector, with all that these series have in common.
fn narrowed(selector: &Selector, series: &[&Identity]) -> Selector {
    let Some((first, others)) = series.split_first() else {
        return selector.clone();
    };
    let attributes = first.attributes.iter();
    let attributes = attributes.map(|(key, _)| Label::Attribute(key.to_string()));
    Label::fixed()
        .chain(attributes)
        .fold(selector.clone(), |selector, label| match first.label(&label) {
            Some(text) if others.iter().all(|one| one.label(&label).as_ref() == Some(&text)) => {
                selector.with(label, &text)
            }
            _ => selector,
        })
}
