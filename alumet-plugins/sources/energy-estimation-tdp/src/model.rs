//! The model: load and nominal power in, power out.

use crate::config::Point;

/// The power of a machine at each load.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PowerCurve {
    /// Load from 0 to 1 and watts, both rising; the first is at 0 and the last at 1.
    points: Vec<(f64, f64)>,
}

impl PowerCurve {
    /// `points` go from 0 to 100 percent and have parts of `tdp`, in watts. If `idle` is given, the curve begins there and ends
    /// where it did. All of it is multiplied with `packages`, the part of the machine in what has this power, and `constant`
    /// is added, in watts.
    pub(crate) fn new(points: &[Point], tdp: f64, idle: Option<f64>, packages: f64, constant: f64) -> Self {
        let ends = points.first().zip(points.last());
        let (first, last) = ends.map_or((0.0, 0.0), |(first, last)| (first.power * tdp, last.power * tdp));
        // More than at full load, it is not.
        let idle = idle.unwrap_or(first).min(last);
        let stretch = if last > first {
            (last - idle) / (last - first)
        } else {
            1.0
        };
        let watts = |power: f64| last - (last - power * tdp) * stretch;
        Self {
            points: points
                .iter()
                .map(|point| (point.load / 100.0, watts(point.power) * packages + constant))
                .collect(),
        }
    }

    /// The power in watts at a load from 0 to 1.
    pub(crate) fn watts(&self, load: f64) -> f64 {
        let next = self.points.iter().position(|(at, _)| load <= *at);
        match next.unwrap_or(self.points.len()) {
            0 => self.points.first().map_or(0.0, |(_, watts)| *watts),
            index if index == self.points.len() => self.points[index - 1].1,
            index => {
                let ((from, low), (to, high)) = (self.points[index - 1], self.points[index]);
                low + (high - low) * (load - from) / (to - from)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Config;

    fn curve(tdp: f64, idle: Option<f64>, packages: f64) -> PowerCurve {
        PowerCurve::new(&Config::default().curve, tdp, idle, packages, 0.0)
    }

    fn is_near(left: f64, right: f64) -> bool {
        (left - right).abs() <= 1e-9 * left.abs().max(1.0)
    }

    #[test]
    fn the_power_between_two_points_is_on_the_line_between_them() {
        for (load, watts) in [
            (0.0, 12.0),
            (0.05, 22.0),
            (0.1, 32.0),
            (0.3, 53.5),
            (0.5, 75.0),
            (0.75, 88.5),
            (1.0, 102.0),
        ] {
            assert!(is_near(curve(100.0, None, 1.0).watts(load), watts), "{load}");
            assert!(
                is_near(curve(200.0, None, 0.25).watts(load), watts / 2.0),
                "{load}"
            );
        }
        assert!(
            is_near(curve(100.0, None, 1.0).watts(1.5), 102.0),
            "no load is above all"
        );
    }

    #[test]
    fn a_known_idle_power_bends_the_curve_and_leaves_its_end() {
        let curve = curve(100.0, Some(57.0), 2.0);
        // Half as high as before, from the top.
        for (load, watts) in [(0.0, 114.0), (0.1, 134.0), (0.5, 177.0), (1.0, 204.0)] {
            assert!(is_near(curve.watts(load), watts), "{load}");
        }
    }

    #[test]
    fn what_is_constant_is_added_once() {
        let curve = PowerCurve::new(&Config::default().curve, 100.0, None, 2.0, 5.0);
        assert!(is_near(curve.watts(0.0), 29.0) && is_near(curve.watts(1.0), 209.0));
    }

    prop_compose! {
        fn any_curve()(
            steps in proptest::collection::vec((1_u32..100, 0.0..1.0_f64), 1..6),
            first in 0.0..1.0_f64,
            tdp in 1.0..500.0_f64,
            idle in proptest::option::of(0.0..1000.0_f64),
            packages in 0.01..8.0_f64,
        ) -> (PowerCurve, f64) {
            let length: u32 = steps.iter().map(|(load, _)| load).sum();
            let (mut at, mut power) = (0, first);
            let mut points = vec![Point { load: 0.0, power }];
            for (load, more) in steps {
                (at, power) = (at + load, power + more);
                points.push(Point { load: 100.0 * f64::from(at) / f64::from(length), power });
            }
            (PowerCurve::new(&points, tdp, idle, packages, 0.0), power * tdp * packages)
        }
    }

    proptest! {
        #[test]
        fn more_load_never_takes_less_power_and_none_more_than_all((curve, all) in any_curve(), one in 0.0..1.0_f64, two in 0.0..1.0_f64) {
            let (low, high) = (curve.watts(one.min(two)), curve.watts(one.max(two)));
            prop_assert!(low <= high + 1e-9, "{low} {high}");
            prop_assert!(low >= -1e-9 && high <= all * (1.0 + 1e-9), "{low} {high} {all}");
            prop_assert!(is_near(curve.watts(1.0), all));
        }
    }
}
