//! What a point of a sum says beside its own number: since when it counts, and what was counted before.

use alumet_core::Value;
use alumet_core::metric::{Metric, MetricKind};
use alumet_core::value::ValueType;

use crate::config::Temporality;

/// A sum, and how its samples become points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sum {
    /// Each says what was counted since the one before.
    Delta,
    /// Such samples, added up.
    Accumulated,
    /// Each says what was counted since some start.
    Counter,
}

/// Where a sum stands after a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stream {
    /// The time, in nanoseconds, from which the next point counts.
    since: u64,
    /// The number of the point.
    pub(crate) value: Value,
}

impl Sum {
    /// What samples of a metric become; `None` for a gauge.
    pub(crate) const fn of(metric: &Metric, temporality: Temporality) -> Option<Self> {
        match (metric.kind, temporality) {
            (MetricKind::Gauge, _) => None,
            (MetricKind::Delta, Temporality::Delta) => Some(Self::Delta),
            (MetricKind::Delta, Temporality::Cumulative) => Some(Self::Accumulated),
            (MetricKind::Counter, _) => Some(Self::Counter),
        }
    }

    /// Whether points count from a time that stays.
    pub(crate) const fn is_cumulative(self) -> bool {
        !matches!(self, Self::Delta)
    }

    /// Since when the point of a sample counts, and where the sum stands then. It stood at `before`.
    ///
    /// Where the time from which a cumulative point counts is not known, it is said to begin with the first sample, which
    /// OpenTelemetry calls a [reset point]. That of a delta is then left open, unless nothing was counted.
    ///
    /// [reset point]: https://opentelemetry.io/docs/specs/otel/metrics/data-model/#cumulative-streams-handling-unknown-start-time
    pub(crate) fn next(self, before: Option<Stream>, time: u64, value: Value) -> (u64, Stream) {
        let begin = Stream { since: time, value };
        if self == Self::Delta {
            let unknown = if value.as_f64() == 0.0 { time } else { 0 };
            // Clocks are set back.
            return (before.map_or(unknown, |before| before.since.min(time)), begin);
        }
        let next = before.and_then(|before| {
            let value = match self {
                Self::Accumulated => added(before.value, value)?,
                _ => Some(value).filter(|value| !is_fallen(before.value, *value))?,
            };
            let since = before.since.min(time);
            Some(Stream { since, value })
        });
        let next = next.unwrap_or(begin);
        (next.since, next)
    }
}

/// Whether sums of a type only grow: signed integers are for what does not.
pub(crate) fn is_monotonic(value_type: ValueType) -> bool {
    value_type != ValueType::I64
}

/// Why no sum can have a value.
pub(crate) fn refused(value: Value) -> Option<&'static str> {
    match value {
        Value::F64(value) if !value.is_finite() => Some("a sum has neither NaN nor infinities"),
        Value::F64(value) if value < 0.0 => Some("a sum that only grows has no negative part"),
        _ => None,
    }
}

/// `None` if it is too large for the type.
fn added(one: Value, other: Value) -> Option<Value> {
    Some(match (one, other) {
        (Value::U64(one), Value::U64(other)) => Value::U64(one.checked_add(other)?),
        (Value::I64(one), Value::I64(other)) => Value::I64(one.checked_add(other)?),
        (one, other) => Value::F64(one.as_f64() + other.as_f64()),
    })
}

fn is_fallen(before: Value, value: Value) -> bool {
    match (before, value) {
        (Value::U64(before), Value::U64(value)) => value < before,
        (Value::F64(before), Value::F64(value)) => value < before,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Since when each point counts, and its number.
    fn points(sum: Sum, samples: &[(u64, Value)]) -> Vec<(u64, Value)> {
        let mut stream = None;
        let points = samples.iter().map(|(time, value)| {
            let (since, next) = sum.next(stream, *time, *value);
            stream = Some(next);
            (since, next.value)
        });
        points.collect()
    }

    fn unsigned(samples: &[(u64, u64)]) -> Vec<(u64, Value)> {
        let samples = samples.iter();
        samples.map(|(time, value)| (*time, Value::U64(*value))).collect()
    }

    #[test]
    fn a_delta_counts_from_the_sample_before_and_the_first_one_from_its_own_time_if_it_is_0() {
        for (samples, expected) in [
            ([(10, 0), (20, 5), (30, 7)], [(10, 0), (10, 5), (20, 7)]),
            ([(10, 4), (20, 5), (15, 7)], [(0, 4), (10, 5), (15, 7)]),
        ] {
            assert_eq!(points(Sum::Delta, &unsigned(&samples)), unsigned(&expected));
        }
    }

    #[test]
    fn what_is_added_up_begins_anew_where_the_type_ends() {
        let samples = unsigned(&[(10, 1), (20, 5), (30, u64::MAX), (40, 0)]);
        let expected = unsigned(&[(10, 1), (10, 6), (30, u64::MAX), (30, u64::MAX)]);
        assert_eq!(points(Sum::Accumulated, &samples), expected);
        let floats = [(10, Value::F64(0.5)), (20, Value::F64(0.25))];
        let expected = [(10, Value::F64(0.5)), (10, Value::F64(0.75))];
        assert_eq!(points(Sum::Accumulated, &floats), expected);
        let signed = [(10, Value::I64(5)), (20, Value::I64(-7))];
        assert_eq!(points(Sum::Accumulated, &signed)[1], (10, Value::I64(-2)));
    }

    #[test]
    fn a_counter_begins_anew_when_it_falls() {
        let samples = unsigned(&[(10, 5), (20, 7), (30, 2), (40, 3)]);
        let expected = unsigned(&[(10, 5), (10, 7), (30, 2), (30, 3)]);
        assert_eq!(points(Sum::Counter, &samples), expected);
        let floats = [(10, Value::F64(5.0)), (20, Value::F64(4.0))];
        assert_eq!(points(Sum::Counter, &floats)[1].0, 20);
        // What may fall begins nothing by that.
        let signed = [(10, Value::I64(5)), (20, Value::I64(-7))];
        assert_eq!(points(Sum::Counter, &signed)[1], (10, Value::I64(-7)));
    }
}
