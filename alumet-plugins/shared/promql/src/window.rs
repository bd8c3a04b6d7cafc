//! What is computed of the samples in a window.

use std::borrow::Cow;

use alumet_shared_prometheus_names::Number;

use crate::eval::order;
use crate::function::Window;
use crate::scraped::{Kept, Series};

/// The samples of a series with times in `(start, end]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slice<'a> {
    /// In nanoseconds since 1970.
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) times: &'a [i64],
    pub(crate) values: &'a [f64],
    /// By how much the counter has fallen until each sample, all together.
    falls: &'a [f64],
    is_whole: bool,
    /// What the first of the samples stand for.
    kept: &'a [Kept],
}

/// Gives the windows of a series one after another.
#[derive(Debug)]
pub(crate) struct Slider<'a> {
    series: &'a Series,
    falls: Vec<f64>,
    first: usize,
    after: usize,
}

impl<'a> Slider<'a> {
    pub(crate) fn new(series: &'a Series) -> Self {
        let mut fallen = 0.0;
        let mut last = f64::NEG_INFINITY;
        let falls = series.values.iter().map(|value| {
            // It has begun again at 0.
            if *value < last {
                fallen += last;
            }
            last = *value;
            fallen
        });
        Self {
            falls: falls.collect(),
            series,
            first: 0,
            after: 0,
        }
    }

    /// The samples after `start` until `end`, neither of which may be earlier than it was.
    pub(crate) fn slide(&mut self, start: i64, end: i64) -> Slice<'_> {
        let times = &self.series.times;
        while times.get(self.after).is_some_and(|at| *at <= end) {
            self.after += 1;
        }
        while self.first < self.after && times[self.first] <= start {
            self.first += 1;
        }
        let range = self.first..self.after;
        let kept = &self.series.kept;
        Slice {
            start,
            end,
            times: &times[range.clone()],
            values: &self.series.values[range.clone()],
            falls: &self.falls[range.clone()],
            is_whole: self.series.is_whole,
            kept: &kept[range.start.min(kept.len())..range.end.min(kept.len())],
        }
    }
}

impl Window {
    /// The value of a window; `None` if it has too few samples.
    pub(crate) fn of(self, slice: Slice<'_>, part: f64) -> Option<f64> {
        let values = slice.values;
        let last = *values.last()?;
        Some(match self {
            Self::Rate => slice.extrapolated(true)? / seconds(slice.end - slice.start),
            Self::Increase => slice.extrapolated(true)?,
            Self::Delta => slice.extrapolated(false)?,
            Self::Irate => slice.instant_rate()?,
            Self::Avg => sum(&slice.of_all(|kept| kept.sum)) / slice.count(),
            Self::Sum => sum(&slice.of_all(|kept| kept.sum)),
            Self::Min => slice
                .of_all(|kept| kept.min)
                .iter()
                .copied()
                .fold(f64::NAN, f64::min),
            Self::Max => slice
                .of_all(|kept| kept.max)
                .iter()
                .copied()
                .fold(f64::NAN, f64::max),
            Self::Count => slice.count(),
            Self::Last => last,
            Self::Present => 1.0,
            Self::Quantile => quantile(part, values.to_vec()),
        })
    }
}

impl<'a> Slice<'a> {
    /// Something of the samples that others stand for, and the others themselves.
    fn of_all(self, of: impl Fn(&Kept) -> f64) -> Cow<'a, [f64]> {
        if self.kept.is_empty() {
            return Cow::Borrowed(self.values);
        }
        let others = self.values[self.kept.len()..].iter().copied();
        self.kept.iter().map(of).chain(others).collect()
    }

    /// How many samples there are, with those that others stand for.
    fn count(self) -> f64 {
        let others = (self.values.len() - self.kept.len()) as f64;
        self.kept.iter().fold(others, |sum, kept| sum + kept.count)
    }

    /// By how much the samples have risen in the whole window: what lies between its ends and the samples next to them is taken to
    /// be like the rest, unless it is much longer than between two samples. As `extrapolatedRate` of
    /// <https://github.com/prometheus/prometheus/blob/main/promql/functions.go>.
    fn extrapolated(self, is_counter: bool) -> Option<f64> {
        let [first_at, .., last_at] = *self.times else {
            return None;
        };
        let [first, .., last] = *self.values else {
            return None;
        };
        let [falls_before, .., falls] = *self.falls else {
            return None;
        };
        let mut rise = last - first;
        if is_counter {
            rise += falls - falls_before;
        }
        let sampled = seconds(last_at - first_at);
        let between = sampled / (self.times.len() - 1) as f64;
        let until_edge = |length: f64| match length >= between * 1.1 {
            true => between / 2.0,
            false => length,
        };
        let mut before = until_edge(seconds(first_at - self.start));
        let after = until_edge(seconds(self.end - last_at));
        // It was not below 0 before.
        if is_counter && self.is_whole && rise > 0.0 && first >= 0.0 {
            before = before.min(sampled * (first / rise));
        }
        Some(rise * ((sampled + before + after) / sampled))
    }

    /// The rise of the last two samples, per second.
    fn instant_rate(self) -> Option<f64> {
        let [.., before_at, last_at] = *self.times else {
            return None;
        };
        let [.., before, last] = *self.values else {
            return None;
        };
        let rise = if last < before { last } else { last - before };
        Some(rise / seconds(last_at - before_at))
    }
}

fn seconds(nanos: i64) -> f64 {
    nanos as f64 / 1e9
}

/// The sum, with what rounding would take from it.
pub(crate) fn sum(values: &[f64]) -> f64 {
    let values = values.iter().map(|value| Number::Float(*value, 0.0));
    values.fold(Number::Float(0.0, 0.0), Number::plus).as_f64()
}

/// The value that `part` of the values do not exceed; between two values linear.
pub(crate) fn quantile(part: f64, mut values: Vec<f64>) -> f64 {
    if part.is_nan() || values.is_empty() {
        return f64::NAN;
    }
    if part < 0.0 {
        return f64::NEG_INFINITY;
    }
    if part > 1.0 {
        return f64::INFINITY;
    }
    // What is no number is less than any.
    values.sort_by(|one, other| order(*other, *one, true));
    let rank = part * (values.len() - 1) as f64;
    let below = rank.floor() as usize;
    let above = (below + 1).min(values.len() - 1);
    let weight = rank - rank.floor();
    values[below] * (1.0 - weight) + values[above] * weight
}
