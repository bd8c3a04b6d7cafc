//! The model: energy and carbon intensity in, grams out.

use alumet_core::MetricKind;
use alumet_core::metric::Metric;
use alumet_core::unit::Unit;

/// How many joules a value of the metric stands for; `None` if it is no energy that was used. What is stored in a battery is a
/// gauge.
pub(crate) fn joules_per_value(metric: &Metric) -> Option<f64> {
    let joules = Unit::convert(1.0, &metric.unit, &Unit::JOULE);
    joules.filter(|_| metric.kind == MetricKind::Delta)
}

/// What so many joules emit, in grams, if a kWh emits `intensity` grams.
pub(crate) fn grams(joules: f64, intensity: f64) -> f64 {
    const JOULES_PER_KWH: f64 = 3.6e6;
    joules * intensity / JOULES_PER_KWH
}

/// The value that holds at an instant: the last that began before it, unless that is older than `hold`. `points` have their
/// beginnings in rising order, in nanoseconds since 1970.
pub(crate) fn value_at(points: &[(i64, f64)], instant: i64, hold: i64) -> Option<f64> {
    let after = points.partition_point(|(begin, _)| *begin <= instant);
    let (begin, value) = points.get(after.checked_sub(1)?)?;
    (instant.saturating_sub(*begin) < hold).then_some(*value)
}

#[cfg(test)]
mod tests {
    use alumet_core::ValueType;
    use alumet_core::metric::Quality;

    use super::*;

    #[test]
    fn only_energy_that_was_used_is_converted_in_whatever_unit() {
        let joules = |unit: Unit, kind: MetricKind| {
            joules_per_value(&Metric {
                name: "energy".into(),
                kind,
                value_type: ValueType::F64,
                unit,
                description: "For tests.".into(),
                quality: Quality::Measured,
            })
        };
        for (unit, expected) in [
            (Unit::JOULE, 1.0),
            (Unit::JOULE.milli(), 0.001),
            (Unit::WATT_HOUR, 3600.0),
            (Unit::WATT_HOUR.kilo(), 3.6e6),
        ] {
            assert_eq!(joules(unit, MetricKind::Delta), Some(expected));
        }
        assert_eq!(joules(Unit::JOULE, MetricKind::Gauge), None);
        assert_eq!(joules(Unit::WATT, MetricKind::Delta), None);
    }

    #[test]
    fn a_kilowatt_hour_emits_the_intensity() {
        assert_eq!((grams(3.6e6, 475.0), grams(1800.0, 56.0)), (475.0, 0.028));
    }

    #[test]
    fn a_value_holds_until_the_next_one_and_no_longer_than_it_may() {
        let points = [(10, 1.0), (20, 2.0), (50, 3.0)];
        for (instant, expected) in [
            (9, None),
            (10, Some(1.0)),
            (19, Some(1.0)),
            (20, Some(2.0)),
            (34, Some(2.0)),
            (35, None),
            (50, Some(3.0)),
            (65, None),
        ] {
            assert_eq!(value_at(&points, instant, 15), expected, "{instant}");
        }
        assert_eq!(value_at(&[], 0, 15), None);
    }
}
