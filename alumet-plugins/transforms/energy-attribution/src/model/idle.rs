//! The idle power of a part of the machine, learnt while the machine is quiet.

/// Learns what a part of the machine draws while nobody uses it.
///
/// Intervals of a second or more in which less than [`Self::QUIET`] of the CPU time was used are points of load and power. Through
/// [`Self::POINTS`] of them goes a line that two outliers do not move (Theil 1950, Sen 1968: the median of the slopes of all pairs),
/// and the idle power is where it meets a load of zero. Every further line moves it by a quarter of the difference. Under load nothing
/// is learnt, and so nothing is forgotten.
#[derive(Debug, Clone, Default)]
pub(crate) struct Idle {
    watts: Option<f64>,
    points: Vec<Point>,
    /// What is shorter than a second so far.
    open: Open,
}

#[derive(Debug, Clone, Copy)]
struct Point {
    load: f64,
    watts: f64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Open {
    joules: f64,
    seconds: f64,
    load_seconds: f64,
}

impl Idle {
    /// The most that is used of the CPU time in a quiet interval.
    pub(crate) const QUIET: f64 = 0.05;
    const POINTS: usize = 8;
    const LEAST_SECONDS: f64 = 1.0;

    /// One that was learnt before.
    pub(crate) fn known(watts: Option<f64>) -> Self {
        Self {
            watts: watts.filter(|watts| watts.is_finite() && *watts >= 0.0),
            ..Self::default()
        }
    }

    /// The idle power; `None` until it is known.
    pub(crate) const fn watts(&self) -> Option<f64> {
        self.watts
    }

    /// Learns from an interval, and the part of the CPU time that was used in it, 0 to 1.
    pub(crate) fn learn(&mut self, joules: f64, seconds: f64, load: f64) {
        self.open.joules += joules;
        self.open.seconds += seconds;
        self.open.load_seconds += load * seconds;
        if self.open.seconds < Self::LEAST_SECONDS {
            return;
        }
        let Open {
            joules,
            seconds,
            load_seconds,
        } = std::mem::take(&mut self.open);
        let point = Point {
            load: load_seconds / seconds,
            watts: joules / seconds,
        };
        if point.load > Self::QUIET {
            return;
        }
        self.points.push(point);
        if self.points.len() >= Self::POINTS {
            let watts = at_zero_load(&self.points).max(0.0);
            self.points.clear();
            self.watts = Some(self.watts.map_or(watts, |known| known + (watts - known) / 4.0));
        }
    }
}

/// The power at which the line through the points meets a load of zero.
fn at_zero_load(points: &[Point]) -> f64 {
    let pairs = points
        .iter()
        .enumerate()
        .flat_map(|(index, one)| points[index + 1..].iter().map(move |other| (one, other)));
    let slopes = pairs
        .filter(|(one, other)| one.load != other.load)
        .map(|(one, other)| (other.watts - one.watts) / (other.load - one.load));
    // More use never needs less power.
    let slope = median(slopes.collect()).unwrap_or(0.0).max(0.0);
    let watts = points.iter().map(|point| point.watts - slope * point.load);
    median(watts.collect()).unwrap_or(0.0)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get((values.len() - 1) / 2)?;
    Some((lower + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quiet_seconds_tell_the_power_at_no_load() {
        let mut idle = Idle::default();
        for second in 1..=8 {
            assert_eq!(idle.watts(), None);
            let load = f64::from(second) * 0.005;
            idle.learn(20.0 + 100.0 * load, 1.0, load);
        }
        assert!((idle.watts().unwrap() - 20.0).abs() < 1e-9);
    }

    #[test]
    fn short_intervals_are_taken_together() {
        let mut idle = Idle::default();
        for quarter in 0..32 {
            // A counter that moves every second quarter only.
            idle.learn(f64::from(quarter % 2) * 10.0, 0.25, 0.01);
        }
        assert!((idle.watts().unwrap() - 20.0).abs() < 1e-9);
    }

    #[test]
    fn under_load_nothing_is_learnt_and_nothing_forgotten() {
        let mut idle = Idle::known(Some(20.0));
        (0..1000).for_each(|_| idle.learn(200.0, 1.0, 1.0));
        assert_eq!(idle.watts(), Some(20.0));
        assert_eq!(Idle::known(Some(f64::NAN)).watts(), None);
    }

    #[test]
    fn a_machine_that_changes_is_followed() {
        let mut idle = Idle::known(Some(20.0));
        (0..8).for_each(|_| idle.learn(24.0, 1.0, 0.01));
        assert_eq!(idle.watts(), Some(21.0));
    }

    proptest! {
        #[test]
        fn two_outliers_and_some_noise_do_not_matter(
            idle in 1.0..100.0_f64,
            slope in 0.0..500.0_f64,
            noise in proptest::collection::vec(-0.01..0.01_f64, 8),
            outliers in proptest::collection::vec((0_usize..8, 0.0..1000.0_f64), 0..3),
        ) {
            let mut learner = Idle::default();
            for (index, noise) in noise.into_iter().enumerate() {
                let load = (index as f64 + 1.0) * 0.006;
                let outlier = outliers.iter().find(|(at, _)| *at == index);
                let watts = outlier.map_or(idle + slope * load + noise, |(_, watts)| *watts);
                learner.learn(watts, 1.0, load);
            }
            let error = (learner.watts().unwrap() - idle).abs();
            // Two points of eight can turn the line by as much as it is steep.
            prop_assert!(error <= 0.2 + slope * 0.05, "{error}");
        }
    }
}
