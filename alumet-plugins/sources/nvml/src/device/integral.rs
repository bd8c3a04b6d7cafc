//! Energy of power, where nothing counts it.

use std::time::Duration;

/// Over so long the driver averages what it calls average power (NVML, `nvmlDeviceGetPowerUsage`).
const WINDOW: Duration = Duration::from_secs(1);

/// Over a longer pause nothing is known of the power.
const LONGEST: Duration = Duration::from_secs(60);

/// A power in milliwatts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Power {
    /// Of the moment.
    Instant(u64),
    /// The mean of the second before.
    Average(u64),
}

/// The integral of power over time.
///
/// The power of the moment lies on a straight line between two readings; each change of *d* watts between them thus errs by at
/// most *d* · interval / 2 joules. A mean is that of the part of the interval that it covers, so that over any time all changes
/// err by at most one second of their height, at its two ends.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PowerIntegral {
    last: Option<u64>,
}

impl Power {
    const fn milliwatts(self) -> u64 {
        match self {
            Self::Instant(milliwatts) | Self::Average(milliwatts) => milliwatts,
        }
    }
}

impl PowerIntegral {
    /// The millijoules since the previous reading, `elapsed` before; none if there is none, or not for a minute.
    pub(crate) fn update(&mut self, power: Power, elapsed: Duration) -> Option<f64> {
        let now = power.milliwatts();
        let before = self.last.replace(now)?;
        if elapsed > LONGEST {
            return None;
        }
        let covered = match power {
            Power::Instant(_) => Duration::ZERO,
            Power::Average(_) => elapsed.min(WINDOW),
        };
        let between = (before as f64 + now as f64) / 2.0;
        Some(now as f64 * covered.as_secs_f64() + between * (elapsed - covered).as_secs_f64())
    }

    /// Forgets the previous reading.
    pub(crate) const fn reset(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Joules of a board that draws 50 W and, in the seconds 3 to 7, 250 W.
    fn integrated(interval: Duration, reading: impl Fn(f64) -> Power) -> f64 {
        let mut integral = PowerIntegral::default();
        let steps = (10.0 / interval.as_secs_f64()).round() as u32;
        let times = (0..=steps).map(|step| (interval * step).as_secs_f64());
        let joules = times.filter_map(|time| integral.update(reading(time), interval));
        joules.sum::<f64>() / 1000.0
    }

    fn watts(time: f64) -> f64 {
        if (3.0..7.0).contains(&time) { 250.0 } else { 50.0 }
    }

    const TRUE_JOULES: f64 = 10.0 * 50.0 + 4.0 * 200.0;

    #[test]
    fn power_of_the_moment_errs_by_half_an_interval_of_each_change() {
        for millis in [100, 250, 700, 1000] {
            let interval = Duration::from_millis(millis);
            let joules = integrated(interval, |time| Power::Instant((watts(time) * 1000.0) as u64));
            let bound = 2.0 * 200.0 * interval.as_secs_f64() / 2.0;
            // 700 ms do not divide the ten seconds: the last 0.2 s are not measured.
            let rest = if millis == 700 { 0.2 * 50.0 } else { 0.0 };
            assert!(
                (joules - (TRUE_JOULES - rest)).abs() <= bound + 1e-6,
                "{interval:?}: {joules}"
            );
        }
    }

    #[test]
    fn a_mean_power_of_the_second_before_loses_nothing() {
        // The mean of the second before, in steps of a millisecond.
        let mean = |time: f64| {
            (0..1000)
                .map(|step| watts(time - f64::from(step) / 1000.0))
                .sum::<f64>()
        };
        for millis in [200, 500, 1000] {
            let joules = integrated(Duration::from_millis(millis), |time| {
                Power::Average(mean(time) as u64)
            });
            assert!((joules - TRUE_JOULES).abs() < 2.0, "{millis} ms: {joules}");
        }
    }

    #[test]
    fn nothing_is_known_of_a_long_pause() {
        let mut integral = PowerIntegral::default();
        assert_eq!(integral.update(Power::Instant(1), LONGEST), None);
        assert_eq!(integral.update(Power::Instant(3), LONGEST), Some(120.0));
        assert_eq!(integral.update(Power::Instant(3), LONGEST + WINDOW), None);
    }
}
