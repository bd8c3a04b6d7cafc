//! From readings of an event to what it counted in an interval: numbers in, numbers out.

use alumet_reader_perf_event::Reading;

/// What one event counted in an interval, for one or several targets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Increment {
    /// The count, scaled to the whole interval; nothing when it is not known, because the event was not counted at all. What
    /// happened then comes with the next one that is known.
    pub(crate) count: Option<u64>,
    /// For how long it was to be counted, in ns.
    pub(crate) enabled: u64,
    /// For how long it was counted, in ns.
    pub(crate) running: u64,
}

impl Increment {
    /// The increment since the reading `before`, which `now` replaces. Where the times are not sound, the count is taken as it is.
    pub(crate) fn between(before: &mut Reading, now: Reading, has_times: bool) -> Self {
        let counted = now.count.saturating_sub(before.count);
        if !has_times {
            *before = now;
            return Self {
                count: Some(counted),
                ..Self::default()
            };
        }
        let enabled = now.enabled.saturating_sub(before.enabled);
        let running = now.running.saturating_sub(before.running).min(enabled);
        let count = scaled(counted, enabled, running);
        if count.is_some() {
            *before = now;
        }
        Self {
            count,
            enabled,
            running,
        }
    }

    /// Adds what the event counted for another target.
    pub(crate) fn add(&mut self, other: Self) {
        self.count = match (self.count, other.count) {
            (Some(one), Some(other)) => Some(one.saturating_add(other)),
            (one, other) => one.or(other),
        };
        self.enabled = self.enabled.saturating_add(other.enabled);
        self.running = self.running.saturating_add(other.running);
    }

    /// The share of the time in which it was counted; nothing for an event that was not to be counted.
    pub(crate) fn share(self) -> Option<f64> {
        (self.enabled > 0).then(|| self.running as f64 / self.enabled as f64)
    }
}

/// `count · enabled / running`, as perf-stat(1) does it, rounded.
fn scaled(count: u64, enabled: u64, running: u64) -> Option<u64> {
    if running == enabled {
        return Some(count);
    }
    let (count, enabled, running) = (u128::from(count), u128::from(enabled), u128::from(running));
    let scaled = (count * enabled + running / 2).checked_div(running)?;
    Some(u64::try_from(scaled).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn reading(count: u64, enabled: u64, running: u64) -> Reading {
        Reading {
            count,
            enabled,
            running,
        }
    }

    #[test]
    fn a_count_is_scaled_by_the_times_of_its_interval_alone() {
        let mut before = reading(1000, 100, 100);
        let increment = Increment::between(&mut before, reading(1300, 200, 125), true);
        assert_eq!((increment.count, increment.share()), (Some(1200), Some(0.25)));
        let increment = Increment::between(&mut before, reading(1307, 300, 225), true);
        assert_eq!((increment.count, increment.share()), (Some(7), Some(1.0)));
    }

    #[test]
    fn what_was_not_counted_at_all_is_unknown_and_comes_with_the_next_count() {
        let mut before = reading(0, 100, 100);
        let increment = Increment::between(&mut before, reading(0, 200, 100), true);
        assert_eq!((increment.count, increment.share()), (None, Some(0.0)));
        let increment = Increment::between(&mut before, reading(50, 300, 150), true);
        assert_eq!((increment.count, increment.share()), (Some(200), Some(0.25)));
    }

    #[test]
    fn who_did_not_run_has_counted_nothing() {
        let increment = Increment::between(&mut reading(5, 10, 10), reading(5, 10, 10), true);
        assert_eq!((increment.count, increment.share()), (Some(0), None));
    }

    #[test]
    fn times_that_are_not_sound_are_not_looked_at() {
        let increment = Increment::between(&mut reading(5, 0, 0), reading(8, 21_800_000_000, 1), false);
        assert_eq!((increment.count, increment.share()), (Some(3), None));
    }

    #[test]
    fn a_sum_has_what_is_known() {
        let part = |count, enabled, running| Increment {
            count,
            enabled,
            running,
        };
        let mut sum = Increment::default();
        for other in [part(None, 10, 0), part(Some(3), 10, 10), part(Some(4), 20, 10)] {
            sum.add(other);
        }
        assert_eq!((sum, sum.share()), (part(Some(7), 40, 20), Some(0.5)));
    }

    proptest! {
        #[test]
        fn any_two_readings_have_an_increment(before: [u64; 3], now: [u64; 3], has_times: bool) {
            let (mut before, now) = (reading(before[0], before[1], before[2]), reading(now[0], now[1], now[2]));
            let increment = Increment::between(&mut before, now, has_times);
            prop_assert!(increment.share().is_none_or(|share| (0.0..=1.0).contains(&share)));
            prop_assert_eq!(increment.count.is_some(), before == now);
        }

        /// An event of a steady rate, counted for any part of each interval, gives its rate back.
        #[test]
        fn a_steady_rate_is_found_however_little_is_counted(parts in proptest::collection::vec(0_u64..=1000, 1..50)) {
            let (mut before, mut now, mut total, mut known) = (Reading::default(), Reading::default(), 0, 0);
            for part in parts {
                now.enabled += 1000;
                now.running += part;
                now.count += 7 * part;
                if let Some(count) = Increment::between(&mut before, now, true).count {
                    total += count;
                    known = now.enabled;
                }
            }
            prop_assert_eq!(total, 7 * known);
        }
    }
}
