use std::sync::Arc;

use crate::batch::Sample;
use crate::metric::MetricKind;
use crate::series::SeriesInfo;
use crate::time::Timestamp;
use crate::unit::Unit;
use crate::value::Value;

/// The last value of a series, and all of them together.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesTotal {
    /// What the numbers mean.
    pub series: Arc<SeriesInfo>,
    /// When the last value was true.
    pub timestamp: Timestamp,
    /// The last value.
    pub last: Value,
    /// Of a delta the sum of its values, of a counter how much it has risen, of a gauge the sum of its values, which is only good
    /// for its [`mean`](Self::mean).
    pub sum: f64,
    /// How many values there were.
    pub samples: u64,
}

impl SeriesTotal {
    /// Nothing but the first value. Since when a counter counts is not known, so that it has not risen yet.
    pub(super) fn first(series: Arc<SeriesInfo>, sample: Sample) -> Self {
        let mut total = Self {
            series,
            timestamp: sample.timestamp,
            last: sample.value(),
            sum: 0.0,
            samples: 0,
        };
        total.add(sample);
        total
    }

    pub(super) fn add(&mut self, sample: Sample) {
        let value = sample.value();
        self.sum += match self.series.metric.kind {
            MetricKind::Gauge | MetricKind::Delta => value.as_f64(),
            MetricKind::Counter => rise(self.last, value),
        };
        self.samples += 1;
        self.timestamp = sample.timestamp;
        self.last = value;
    }

    /// From now on, only what comes counts.
    pub(super) const fn begin_again(&mut self) {
        self.sum = 0.0;
        self.samples = 0;
    }

    /// What was counted, in `unit`; `None` for a gauge, and if the two units measure different things.
    pub fn counted_in(&self, unit: &Unit) -> Option<f64> {
        let metric = &self.series.metric;
        match metric.kind {
            MetricKind::Gauge => None,
            MetricKind::Delta | MetricKind::Counter => Unit::convert(self.sum, &metric.unit, unit),
        }
    }

    /// The mean of the values of a gauge.
    pub const fn mean(&self) -> f64 {
        self.sum / self.samples as f64
    }
}

/// How much a counter has risen; what falls has started again from zero.
fn rise(before: Value, after: Value) -> f64 {
    let all = after.as_f64();
    let rise = match (before, after) {
        // Floats do not hold the difference of large integers.
        (Value::U64(before), Value::U64(after)) => after.checked_sub(before).map(|rise| rise as f64),
        _ => Some(all - before.as_f64()).filter(|rise| *rise >= 0.0),
    };
    rise.unwrap_or(all)
}
