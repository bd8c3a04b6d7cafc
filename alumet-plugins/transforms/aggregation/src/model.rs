//! The model: the values of one series in one window, and what becomes of them.

use alumet_core::MetricKind;
use alumet_core::metric::Metric;
use alumet_core::unit::Unit;
use alumet_core::value::{Value, ValueType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What becomes of the values of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// All together, exactly; held at the end of the range of the type.
    #[serde(alias = "Sum")]
    Sum,
    /// The arithmetic mean, as a floating point number.
    #[serde(alias = "Mean")]
    Mean,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// The one that came last.
    Last,
    /// How many there are.
    Count,
}

/// The values of one series in one window.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    count: u64,
    /// The sum of integers; 2⁶⁴ of them fit.
    integer: i128,
    /// The sum of floats and what was rounded off: Neumaier, "Rundungsfehleranalyse einiger Verfahren zur Summation
    /// endlicher Summen", 1974.
    float: f64,
    rounded_off: f64,
    min: Value,
    max: Value,
    last: Value,
}

impl Function {
    /// What it makes of a metric.
    pub(crate) fn of(self, metric: &Metric) -> Metric {
        use MetricKind::{Counter, Delta, Gauge};
        let same = (metric.value_type, metric.unit.clone());
        let (suffix, kind, (value_type, unit)) = match (self, metric.kind) {
            (Self::Sum, Gauge) => ("sum", Gauge, same),
            // Of a counter, the increases are summed.
            (Self::Sum, Delta | Counter) => ("sum", Delta, same),
            (Self::Mean, _) => ("mean", Gauge, (ValueType::F64, same.1)),
            (Self::Min, _) => ("min", Gauge, same),
            (Self::Max, _) => ("max", Gauge, same),
            (Self::Last, Counter) => ("last", Counter, same),
            (Self::Last, Gauge | Delta) => ("last", Gauge, same),
            (Self::Count, _) => ("count", Gauge, (ValueType::U64, Unit::ONE)),
        };
        Metric {
            name: format!("{}_{suffix}", metric.name).into(),
            kind,
            value_type,
            unit,
            description: format!("The {suffix} over a window of: {}", metric.description).into(),
            quality: metric.quality,
        }
    }

    /// Whether it works on what a counter has counted since its previous reading instead of the readings.
    pub(crate) fn wants_increases(self, kind: MetricKind) -> bool {
        kind == MetricKind::Counter && self != Self::Last
    }
}

impl Window {
    /// A window with its first value.
    pub(crate) const fn new(value: Value) -> Self {
        let mut window = Self {
            count: 0,
            integer: 0,
            float: 0.0,
            rounded_off: 0.0,
            min: value,
            max: value,
            last: value,
        };
        window.add_up(value);
        window
    }

    pub(crate) fn add(&mut self, value: Value) {
        self.add_up(value);
        if is_less(value, self.min) {
            self.min = value;
        }
        if is_less(self.max, value) {
            self.max = value;
        }
        self.last = value;
    }

    const fn add_up(&mut self, value: Value) {
        self.count += 1;
        match value {
            Value::U64(value) => self.integer += value as i128,
            Value::I64(value) => self.integer += value as i128,
            Value::F64(value) => {
                let sum = self.float + value;
                self.rounded_off += if self.float.abs() >= value.abs() {
                    (self.float - sum) + value
                } else {
                    (value - sum) + self.float
                };
                self.float = sum;
            }
        }
    }

    /// What becomes of the values, and whether it had to be held at the end of the range.
    pub(crate) fn result(&self, function: Function) -> (Value, bool) {
        let value = match function {
            Function::Sum => return self.sum(),
            Function::Mean => {
                let sum = match self.last {
                    Value::U64(_) | Value::I64(_) => self.integer as f64,
                    Value::F64(_) => self.float_sum(),
                };
                Value::F64(sum / self.count as f64)
            }
            Function::Min => self.min,
            Function::Max => self.max,
            Function::Last => self.last,
            Function::Count => Value::U64(self.count),
        };
        (value, false)
    }

    fn sum(&self) -> (Value, bool) {
        match self.last {
            Value::U64(_) => match u64::try_from(self.integer) {
                Ok(sum) => (Value::U64(sum), false),
                Err(_) => (Value::U64(u64::MAX), true),
            },
            Value::I64(_) => match i64::try_from(self.integer) {
                Ok(sum) => (Value::I64(sum), false),
                Err(_) if self.integer < 0 => (Value::I64(i64::MIN), true),
                Err(_) => (Value::I64(i64::MAX), true),
            },
            Value::F64(_) => (Value::F64(self.float_sum()), false),
        }
    }

    fn float_sum(&self) -> f64 {
        // Infinities have rounded off something that is not a number.
        if self.float.is_finite() {
            self.float + self.rounded_off
        } else {
            self.float
        }
    }
}

/// What a counter has counted since its previous reading: nothing after a fall, with which it begins anew.
pub(crate) fn increase(previous: Option<Value>, value: Value) -> Value {
    match (previous, value) {
        (Some(Value::U64(before)), Value::U64(now)) => Value::U64(now.saturating_sub(before)),
        (Some(Value::I64(before)), Value::I64(now)) => Value::I64(now.saturating_sub(before).max(0)),
        (Some(Value::F64(before)), Value::F64(now)) => Value::F64((now - before).max(0.0)),
        (_, Value::U64(_)) => Value::U64(0),
        (_, Value::I64(_)) => Value::I64(0),
        (_, Value::F64(_)) => Value::F64(0.0),
    }
}

/// Whether `left` is less than `right`, or `right` is not a number: a number is a better extreme.
fn is_less(left: Value, right: Value) -> bool {
    match (left, right) {
        (Value::U64(left), Value::U64(right)) => left < right,
        (Value::I64(left), Value::I64(right)) => left < right,
        _ => left.as_f64() < right.as_f64(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(values: &[Value]) -> Window {
        let mut window = Window::new(values[0]);
        values[1..].iter().for_each(|value| window.add(*value));
        window
    }

    #[test]
    fn each_function_says_what_its_name_says() {
        let window = window(&[Value::U64(4), Value::U64(1), Value::U64(2)]);
        for (function, value) in [
            (Function::Sum, Value::U64(7)),
            (Function::Mean, Value::F64(7.0 / 3.0)),
            (Function::Min, Value::U64(1)),
            (Function::Max, Value::U64(4)),
            (Function::Last, Value::U64(2)),
            (Function::Count, Value::U64(3)),
        ] {
            assert_eq!(window.result(function), (value, false), "{function:?}");
        }
    }

    #[test]
    fn a_sum_beyond_the_range_is_held_at_its_end_and_says_so() {
        let sum = |values: &[Value]| window(values).result(Function::Sum);
        assert_eq!(
            sum(&[Value::U64(u64::MAX), Value::U64(1)]),
            (Value::U64(u64::MAX), true)
        );
        assert_eq!(
            sum(&[Value::I64(i64::MIN), Value::I64(-1)]),
            (Value::I64(i64::MIN), true)
        );
        assert_eq!(
            sum(&[Value::I64(i64::MAX), Value::I64(1)]),
            (Value::I64(i64::MAX), true)
        );
        let back = [Value::I64(i64::MAX), Value::I64(1), Value::I64(-2)];
        assert_eq!(
            sum(&back),
            (Value::I64(i64::MAX - 1), false),
            "only the end counts"
        );
    }

    #[test]
    fn small_floats_are_not_lost_beside_large_ones() {
        let values = [1e16, 1.0, 1.0, -1e16].map(Value::F64);
        assert_eq!(window(&values).result(Function::Sum).0, Value::F64(2.0));
        let values = [1.0, f64::INFINITY, 2.0].map(Value::F64);
        assert_eq!(window(&values).result(Function::Sum).0, Value::F64(f64::INFINITY));
    }

    #[test]
    fn the_mean_of_integers_is_not_truncated() {
        let values = [Value::U64(1), Value::U64(2)];
        assert_eq!(window(&values).result(Function::Mean).0, Value::F64(1.5));
    }

    #[test]
    fn a_counter_that_falls_begins_anew() {
        let mut previous = None;
        let increases = [5_u64, 8, 3, 4].map(|reading| {
            let increase = increase(previous, Value::U64(reading));
            previous = Some(Value::U64(reading));
            increase
        });
        assert_eq!(increases, [0, 3, 0, 1].map(Value::U64));
        assert_eq!(increase(Some(Value::I64(2)), Value::I64(-2)), Value::I64(0));
        assert_eq!(increase(Some(Value::F64(2.0)), Value::F64(2.5)), Value::F64(0.5));
    }

    proptest! {
        #[test]
        fn integers_are_summed_exactly(values in proptest::collection::vec(any::<i64>(), 1..100)) {
            let sum: i128 = values.iter().map(|value| i128::from(*value)).sum();
            let values: Vec<_> = values.into_iter().map(Value::I64).collect();
            let clamped = sum.clamp(i64::MIN.into(), i64::MAX.into());
            let expected = (Value::I64(clamped as i64), clamped != sum);
            prop_assert_eq!(window(&values).result(Function::Sum), expected);
        }
    }
}
