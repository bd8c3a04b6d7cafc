//! The model: the values of one series in one window, and what becomes of them.

use alumet_core::MetricKind;
use alumet_core::metric::Metric;
use alumet_core::unit::{BaseUnit, Unit};
use alumet_core::value::{Value, ValueType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What becomes of the values of a window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// What was counted per second, or how fast a gauge has changed.
    Rate,
    /// The median.
    P50,
    /// What 95 % of the values do not exceed.
    P95,
    /// What 99 % of the values do not exceed.
    P99,
    /// What so many percent of the values do not exceed: `{ percentile = 99.9 }`.
    Percentile(f64),
}

/// The values of one series in one window.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    count: u64,
    /// When the sample before the first one was made and what it showed; if there was none, the first one itself.
    from: (i64, Value),
    /// What was counted before the first one in a time that is not known.
    untimed: f64,
    /// When the latest one was made.
    until: i64,
    /// The sum of integers; 2⁶⁴ of them fit.
    integer: i128,
    /// The sum of floats and what was rounded off: Neumaier, "Rundungsfehleranalyse einiger Verfahren zur Summation
    /// endlicher Summen", 1974.
    float: f64,
    rounded_off: f64,
    min: Value,
    max: Value,
    /// As it was measured, also if increases are aggregated.
    last: Value,
    /// All of them, if a percentile is wanted.
    values: Option<Values>,
}

/// Values by which percentiles are found: all, or every second, fourth, eighth… of more than [`Values::MOST`].
#[derive(Debug, Clone, Default)]
struct Values {
    kept: Vec<Value>,
    /// How many there were.
    seen: u64,
    /// Every which one is kept is two to the power of this.
    halvings: u32,
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
            (Self::Rate, _) => ("rate", Gauge, (ValueType::F64, per_second(&metric.unit))),
            (Self::P50 | Self::P95 | Self::P99 | Self::Percentile(_), _) => ("percentile", Gauge, same),
        };
        let name = match self.percent() {
            Some(percent) => format!("{}_p{percent}", metric.name).replace('.', "_"),
            None => format!("{}_{suffix}", metric.name),
        };
        Metric {
            name: name.into(),
            kind,
            value_type,
            unit,
            description: format!("The {suffix} over a window of: {}", metric.description).into(),
            quality: metric.quality,
        }
    }

    /// How many percent of the values do not exceed what it gives, if it is a percentile.
    pub(crate) const fn percent(self) -> Option<f64> {
        match self {
            Self::P50 => Some(50.0),
            Self::P95 => Some(95.0),
            Self::P99 => Some(99.0),
            Self::Percentile(percent) => Some(percent),
            _ => None,
        }
    }
}

/// Joules per second are watts, seconds per second a plain number.
fn per_second(unit: &Unit) -> Unit {
    match unit.base {
        BaseUnit::Joule => Unit::WATT.with_prefix(unit.prefix),
        BaseUnit::Second => Unit::ONE.with_prefix(unit.prefix),
        _ => Unit::parse(&format!("{}/s", unit.code())),
    }
}

impl Window {
    /// A window with its first value, made at `time` (in nanoseconds); `before` is the sample before it, if there is one.
    /// `reading` is what was measured: the value itself, or the reading of a counter whose increases are the values.
    pub(crate) fn new(
        value: Value,
        reading: Value,
        time: i64,
        before: Option<(i64, Value)>,
        wants_values: bool,
    ) -> Self {
        let mut window = Self {
            count: 0,
            from: before.unwrap_or((time, reading)),
            untimed: if before.is_some() { 0.0 } else { value.as_f64() },
            until: time,
            integer: 0,
            float: 0.0,
            rounded_off: 0.0,
            min: value,
            max: value,
            last: reading,
            values: wants_values.then(Values::default),
        };
        window.add(value, reading, time);
        window
    }

    pub(crate) fn add(&mut self, value: Value, reading: Value, time: i64) {
        self.add_up(value);
        if is_less(value, self.min) {
            self.min = value;
        }
        if is_less(self.max, value) {
            self.max = value;
        }
        self.last = reading;
        self.until = self.until.max(time);
        if let Some(values) = &mut self.values {
            values.add(value);
        }
    }

    /// The sample after which the next window begins.
    pub(crate) const fn end(&self) -> (i64, Value) {
        (self.until, self.last)
    }

    /// Whether not all values are there for percentiles.
    pub(crate) fn is_thinned(&self) -> bool {
        self.values.as_ref().is_some_and(|values| values.halvings > 0)
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

    /// What becomes of the values of a metric of this kind, and whether it had to be held at the end of the range; nothing if
    /// it is not known.
    pub(crate) fn result(&mut self, function: Function, kind: MetricKind) -> Option<(Value, bool)> {
        let value = match function {
            Function::Sum => return Some(self.sum()),
            Function::Mean => Value::F64(self.sum_as_f64() / self.count as f64),
            Function::Min => self.min,
            Function::Max => self.max,
            Function::Last => self.last,
            Function::Count => Value::U64(self.count),
            Function::Rate => Value::F64(self.rate(kind)?),
            Function::P50 | Function::P95 | Function::P99 | Function::Percentile(_) => {
                self.values.as_mut()?.percentile(function.percent()?)?
            }
        };
        Some((value, false))
    }

    /// The change per second since the sample before the window; `None` before there was one.
    fn rate(&self, kind: MetricKind) -> Option<f64> {
        let (from, before) = self.from;
        let seconds = self.until.saturating_sub(from) as f64 / 1e9;
        let change = match kind {
            MetricKind::Gauge => self.last.as_f64() - before.as_f64(),
            MetricKind::Delta | MetricKind::Counter => self.sum_as_f64() - self.untimed,
        };
        (seconds > 0.0).then(|| change / seconds)
    }

    fn sum_as_f64(&self) -> f64 {
        match self.last {
            Value::U64(_) | Value::I64(_) => self.integer as f64,
            Value::F64(_) => self.float_sum(),
        }
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

impl Values {
    /// 1 MiB per series; a minute at 1 kHz fits.
    const MOST: usize = 65_536;

    fn add(&mut self, value: Value) {
        // What is not a number has no rank.
        if value.as_f64().is_nan() {
            return;
        }
        if self.seen.trailing_zeros() >= self.halvings {
            if self.kept.len() == Self::MOST {
                self.halvings += 1;
                let mut is_even = false;
                self.kept.retain(|_| {
                    is_even = !is_even;
                    is_even
                });
            }
            if self.seen.trailing_zeros() >= self.halvings {
                self.kept.push(value);
            }
        }
        self.seen += 1;
    }

    /// The smallest value that so many percent of them do not exceed (nearest rank).
    fn percentile(&mut self, percent: f64) -> Option<Value> {
        let rank = (percent / 100.0 * self.kept.len() as f64).ceil() as usize;
        let index = rank.saturating_sub(1).min(self.kept.len().checked_sub(1)?);
        let by_size = |left: &Value, right: &Value| match (left, right) {
            (Value::U64(left), Value::U64(right)) => left.cmp(right),
            (Value::I64(left), Value::I64(right)) => left.cmp(right),
            _ => left.as_f64().total_cmp(&right.as_f64()),
        };
        let (_, value, _) = self.kept.select_nth_unstable_by(index, by_size);
        Some(*value)
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

    /// A window of a delta or gauge with a value per second, after one at 0.
    fn window(values: &[Value]) -> Window {
        let mut window = Window::new(values[0], values[0], 1_000_000_000, None, true);
        for (second, value) in (2..).zip(&values[1..]) {
            window.add(*value, *value, second * 1_000_000_000);
        }
        window
    }

    fn result(values: &[Value], function: Function) -> (Value, bool) {
        window(values).result(function, MetricKind::Delta).unwrap()
    }

    #[test]
    fn each_function_says_what_its_name_says() {
        let values = [Value::U64(4), Value::U64(1), Value::U64(2)];
        for (function, value) in [
            (Function::Sum, Value::U64(7)),
            (Function::Mean, Value::F64(7.0 / 3.0)),
            (Function::Min, Value::U64(1)),
            (Function::Max, Value::U64(4)),
            (Function::Last, Value::U64(2)),
            (Function::Count, Value::U64(3)),
            (Function::P50, Value::U64(2)),
            (Function::P99, Value::U64(4)),
            (Function::Percentile(0.0), Value::U64(1)),
            // In the two seconds after the first.
            (Function::Rate, Value::F64(1.5)),
        ] {
            assert_eq!(result(&values, function), (value, false), "{function:?}");
        }
    }

    #[test]
    fn a_sum_beyond_the_range_is_held_at_its_end_and_says_so() {
        let sum = |values: &[Value]| result(values, Function::Sum);
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
        assert_eq!(result(&values, Function::Sum).0, Value::F64(2.0));
        let values = [1.0, f64::INFINITY, 2.0].map(Value::F64);
        assert_eq!(result(&values, Function::Sum).0, Value::F64(f64::INFINITY));
    }

    #[test]
    fn the_mean_of_integers_is_not_truncated() {
        let values = [Value::U64(1), Value::U64(2)];
        assert_eq!(result(&values, Function::Mean).0, Value::F64(1.5));
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

    #[test]
    fn a_rate_is_the_change_since_the_sample_before_the_window() {
        let second = 1_000_000_000;
        let window = |before| {
            let mut window = Window::new(Value::U64(10), Value::U64(10), 4 * second, before, false);
            window.add(Value::U64(20), Value::U64(20), 5 * second);
            window
        };
        let before = Some((2 * second, Value::U64(50)));
        let rate = |before, kind| window(before).result(Function::Rate, kind);
        assert_eq!(rate(before, MetricKind::Delta), Some((Value::F64(10.0), false)));
        assert_eq!(rate(before, MetricKind::Gauge), Some((Value::F64(-10.0), false)));
        let mut first = Window::new(Value::U64(0), Value::U64(0), 0, None, false);
        assert_eq!(first.result(Function::Rate, MetricKind::Delta), None);
    }

    #[test]
    fn the_metric_of_a_rate_is_in_units_per_second() {
        let of = |unit: Unit| {
            let metric = Metric {
                name: "energy".into(),
                kind: MetricKind::Delta,
                value_type: ValueType::U64,
                unit,
                description: "For tests.".into(),
                quality: alumet_core::metric::Quality::Measured,
            };
            Function::Rate.of(&metric).unit.code().into_owned()
        };
        let codes = [Unit::JOULE.milli(), Unit::SECOND.nano(), Unit::BYTE, Unit::ONE].map(of);
        assert_eq!(codes, ["mW", "10*-9", "By/s", "1/s"]);
    }

    #[test]
    fn of_more_values_than_fit_every_second_one_counts() {
        let mut values = Values::default();
        let number = 4 * Values::MOST as u64 + 10;
        (0..number).for_each(|value| values.add(Value::U64(value)));
        assert!(values.halvings == 3 && values.kept.len() <= Values::MOST);
        let Some(Value::U64(median)) = values.percentile(50.0) else {
            panic!("no median")
        };
        assert!(median.abs_diff(number / 2) <= 16, "{median}");
    }

    #[test]
    fn what_is_not_a_number_has_no_rank() {
        let values = [f64::NAN, 3.0, f64::NAN, 1.0].map(Value::F64);
        assert_eq!(result(&values, Function::Percentile(100.0)).0, Value::F64(3.0));
        assert_eq!(
            window(&values[..1]).result(Function::P50, MetricKind::Gauge),
            None
        );
    }

    proptest! {
        #[test]
        fn a_percentile_is_the_value_of_its_rank(values in proptest::collection::vec(-1e9..1e9_f64, 1..200), percent in 0.0..=100.0_f64) {
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let values: Vec<_> = values.into_iter().map(Value::F64).collect();
            let Value::F64(found) = result(&values, Function::Percentile(percent)).0 else { panic!("another type") };
            // So many percent do not exceed it, and fewer do not exceed the one before it.
            let share = |most: usize| 100.0 * most as f64 / sorted.len() as f64;
            let index = sorted.iter().position(|value| *value == found).unwrap();
            let at_most = sorted.iter().filter(|value| **value <= found).count();
            prop_assert!(share(at_most) >= percent - 1e-9);
            prop_assert!(index == 0 || share(index) < percent + 1e-9);
        }

        #[test]
        fn integers_are_summed_exactly(values in proptest::collection::vec(any::<i64>(), 1..100)) {
            let sum: i128 = values.iter().map(|value| i128::from(*value)).sum();
            let values: Vec<_> = values.into_iter().map(Value::I64).collect();
            let clamped = sum.clamp(i64::MIN.into(), i64::MAX.into());
            let expected = (Value::I64(clamped as i64), clamped != sum);
            prop_assert_eq!(result(&values, Function::Sum), expected);
        }
    }
}
