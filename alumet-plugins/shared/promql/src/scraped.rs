//! Series as a scrape would have shown them.

use std::collections::BTreeMap;

use alumet_core::Timestamp;
use alumet_core::metric::MetricKind;
use alumet_core::value::Value;
use alumet_shared_prometheus_names::{Naming, Number, can_count};
use alumet_shared_query::Bucket;

use crate::labels::Labels;
use crate::select::Found;

/// A series with its samples.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) labels: Labels,
    /// In nanoseconds since 1970, in order.
    pub(crate) times: Vec<i64>,
    /// As many.
    pub(crate) values: Vec<f64>,
    /// Whether the values of a counter are what it has counted, and not only how it moves.
    pub(crate) is_whole: bool,
    /// What the first of the samples stand for, if they are the last ones of intervals.
    pub(crate) kept: Vec<Kept>,
}

/// What samples came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) count: f64,
    pub(crate) sum: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// What was read of a series.
pub(crate) struct Read {
    /// Intervals, before the samples.
    pub(crate) thinned: Vec<Bucket>,
    pub(crate) times: Vec<Timestamp>,
    pub(crate) values: Vec<Value>,
    /// What a delta came to before; `None` if that does not count.
    pub(crate) before: Option<f64>,
}

impl Read {
    /// As samples in the unit of Prometheus, and a delta added up. Of an interval, it is the last sample, with what all came to; a
    /// delta is taken to have grown evenly in it.
    pub(crate) fn into_series(self, naming: &Naming, found: &Found) -> Series {
        let metric = &found.series.metric;
        let scale = naming.scale(&metric.unit);
        let is_delta = metric.kind == MetricKind::Delta;
        let (mut times, mut values, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        // One infinite amount is not to be there for ever.
        let known = self.before.filter(|before| before.is_finite());
        let mut before = known.unwrap_or(0.0);
        for bucket in &self.thinned {
            let first = before + bucket.first;
            before += bucket.sum;
            let (mean, min, max, last) = match is_delta {
                true => ((first + before) / 2.0, first, before, before),
                false => (
                    bucket.sum / bucket.count as f64,
                    bucket.min,
                    bucket.max,
                    bucket.last,
                ),
            };
            times.push(bucket.last_at);
            values.push(scale.apply(last));
            kept.push(Kept {
                count: bucket.count as f64,
                sum: scale.apply(mean) * bucket.count as f64,
                min: scale.apply(min),
                max: scale.apply(max),
            });
        }
        let mut sum = self
            .values
            .first()
            .map_or(Number::Whole(0), |value| Number::of(*value).zero());
        for (at, value) in self.times.iter().zip(self.values) {
            if metric.kind != MetricKind::Gauge && !can_count(value) {
                continue;
            }
            let value = if is_delta {
                sum = sum.plus(Number::of(value));
                before + sum.as_f64()
            } else {
                value.as_f64()
            };
            times.push(at.as_nanos());
            values.push(scale.apply(value));
        }
        Series {
            labels: found.labels.clone(),
            times,
            values,
            is_whole: !is_delta || self.before.is_some(),
            kept,
        }
    }
}

/// Two series that are one in Prometheus, such as those before and after a change of the type: counters count together.
pub(crate) fn joined(one: Series, other: Series, is_counter: bool) -> Series {
    let mut samples: BTreeMap<i64, [Option<f64>; 2]> = BTreeMap::new();
    for (side, series) in [&one, &other].into_iter().enumerate() {
        for (at, value) in series.times.iter().zip(&series.values) {
            samples.entry(*at).or_default()[side] = Some(*value);
        }
    }
    let mut counted = [0.0; 2];
    let values = samples.values().map(|sides| {
        for (counted, value) in counted.iter_mut().zip(sides) {
            *counted = value.unwrap_or(*counted);
        }
        match is_counter {
            true => counted[0] + counted[1],
            false => sides[0].or(sides[1]).unwrap_or(f64::NAN),
        }
    });
    Series {
        values: values.collect(),
        times: samples.keys().copied().collect(),
        is_whole: one.is_whole && other.is_whole,
        kept: Vec::new(),
        labels: one.labels,
    }
}
