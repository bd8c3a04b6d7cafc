//! What a series has shown lately, as amounts between instants or as readings at instants.

use std::collections::VecDeque;

use alumet_core::time::Monotonic;

/// The latest samples of one series, in the order of their instants.
///
/// Of a delta series, the value of a point is the amount since the point before it, and the first point has none: it says
/// since when amounts are known.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    points: VecDeque<Point>,
    /// When the latest sample was made; the latest point may be later if the sample came late.
    until: Option<Monotonic>,
}

#[derive(Debug, Clone, Copy)]
struct Point {
    /// In nanoseconds of the monotonic clock.
    at: u64,
    value: f64,
}

impl History {
    /// Of 16 bytes each. When energy is not measured for long, earlier amounts are joined into one, which loses nothing
    /// but when exactly each was counted; of readings, the earliest is dropped.
    const MOST_POINTS: usize = 256;

    /// Adds what was counted since the sample before. What is only known now of a time before `shared`, which was shared
    /// out without it, counts from there on.
    ///
    /// The first sample counts nothing, for nobody knows since when; nor does one that is older than the sample before
    /// it: there the clock began anew.
    pub(crate) fn count(&mut self, at: Monotonic, amount: f64, shared: Monotonic) {
        let until = self.until.replace(at);
        let at = at.as_nanos();
        let last = match (self.points.back(), until) {
            (Some(last), Some(until)) if at >= until.as_nanos() => last.at,
            _ => return self.begin(at, 0.0),
        };
        let mut from = last;
        if from < shared.as_nanos() {
            from = shared.as_nanos();
            self.points.push_back(Point { at: from, value: 0.0 });
        }
        self.points.push_back(Point {
            at: at.max(from + 1),
            value: amount,
        });
        while self.points.len() > Self::MOST_POINTS {
            let joined = self.points.remove(1).map_or(0.0, |point| point.value);
            if let Some(next) = self.points.get_mut(1) {
                next.value += joined;
            }
        }
    }

    /// Adds what was read. An instant that is older than the one before begins anew.
    pub(crate) fn read(&mut self, at: Monotonic, value: f64) {
        let until = self.until.replace(at);
        if until.is_none_or(|until| at < until) {
            return self.begin(at.as_nanos(), value);
        }
        if until == Some(at) {
            self.points.pop_back();
        }
        let at = at.as_nanos();
        self.points.push_back(Point { at, value });
        if self.points.len() > Self::MOST_POINTS {
            self.points.pop_front();
        }
    }

    fn begin(&mut self, at: u64, value: f64) {
        self.points.clear();
        self.points.push_back(Point { at, value });
    }

    /// Whether it says something about the time before an instant.
    pub(crate) fn begins_before(&self, instant: Monotonic) -> bool {
        self.points
            .front()
            .is_some_and(|point| point.at < instant.as_nanos())
    }

    /// How much was counted between two instants, if each amount is spread evenly over its interval.
    pub(crate) fn within(&self, from: Monotonic, to: Monotonic) -> f64 {
        let (from, to) = (from.as_nanos(), to.as_nanos());
        let mut points = self.points.iter();
        let Some(mut start) = points.next().map(|point| point.at) else {
            return 0.0;
        };
        let mut sum = 0.0;
        for point in points {
            if start >= to {
                break;
            }
            let whole = point.at - start;
            let part = point.at.min(to).saturating_sub(start.max(from));
            sum += if part == whole {
                point.value
            } else {
                point.value * (part as f64 / whole as f64)
            };
            start = point.at;
        }
        sum
    }

    /// What the series showed at an instant, on a straight line between the readings around it; `None` outside of them, but for a
    /// last one that is not older than `known_from`.
    pub(crate) fn at(&self, instant: Monotonic, known_from: Monotonic) -> Option<f64> {
        let instant = instant.as_nanos();
        let after = self.points.partition_point(|point| point.at < instant);
        let Some(next) = self.points.get(after) else {
            let last = self.points.back().filter(|last| last.at >= known_from.as_nanos());
            return last.map(|last| last.value);
        };
        if next.at == instant {
            return Some(next.value);
        }
        let previous = self.points.get(after.checked_sub(1)?)?;
        let passed = (instant - previous.at) as f64 / (next.at - previous.at) as f64;
        Some(previous.value + (next.value - previous.value) * passed)
    }

    /// Drops what says nothing about the time after `instant`.
    pub(crate) fn forget(&mut self, instant: Monotonic) {
        while self
            .points
            .get(1)
            .is_some_and(|point| point.at <= instant.as_nanos())
        {
            self.points.pop_front();
        }
    }

    /// Whether it says nothing about the time after `instant`.
    pub(crate) fn ends_by(&self, instant: Monotonic) -> bool {
        self.points
            .back()
            .is_none_or(|point| point.at <= instant.as_nanos())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NEVER: Monotonic = Monotonic::from_nanos(0);

    fn at(nanos: u64) -> Monotonic {
        Monotonic::from_nanos(nanos)
    }

    fn counted(samples: &[(u64, f64)]) -> History {
        let mut history = History::default();
        for &(instant, amount) in samples {
            history.count(at(instant), amount, NEVER);
        }
        history
    }

    #[test]
    fn an_amount_is_spread_evenly_over_its_interval() {
        let history = counted(&[(100, 0.0), (200, 8.0), (300, 4.0)]);
        for (from, to, amount) in [
            (100, 200, 8.0),
            (125, 175, 4.0),
            (150, 250, 6.0),
            (0, 1000, 12.0),
            (300, 400, 0.0),
            (0, 100, 0.0),
        ] {
            assert_eq!(history.within(at(from), at(to)), amount, "{from} to {to}");
        }
    }

    #[test]
    fn what_was_counted_before_the_first_sample_is_not_known() {
        assert_eq!(counted(&[(100, 7.0), (200, 1.0)]).within(at(0), at(200)), 1.0);
        assert_eq!(History::default().within(at(0), at(9)), 0.0);
    }

    #[test]
    fn what_comes_late_counts_from_where_it_was_not_shared_yet() {
        let mut history = counted(&[(100, 0.0)]);
        history.count(at(200), 8.0, at(250));
        history.count(at(240), 1.0, at(250));
        history.count(at(350), 2.0, at(250));
        assert_eq!(history.within(at(100), at(250)), 0.0);
        assert!((history.within(at(250), at(350)) - 11.0).abs() < 1e-9);
        // Half of it is late.
        let mut history = counted(&[(100, 0.0)]);
        history.count(at(300), 8.0, at(200));
        assert_eq!(history.within(at(200), at(250)), 4.0);
    }

    #[test]
    fn a_clock_that_begins_anew_begins_a_new_history() {
        let mut history = counted(&[(100, 0.0), (200, 8.0), (50, 3.0), (60, 1.0)]);
        assert_eq!(history.within(at(0), at(300)), 1.0);
        history.read(at(10), 5.0);
        assert_eq!(
            (history.at(at(10), at(10)), history.at(at(60), at(60))),
            (Some(5.0), None)
        );
    }

    #[test]
    fn readings_are_joined_by_straight_lines() {
        let mut history = History::default();
        for (instant, value) in [(100, 1.0), (200, 3.0), (200, 5.0), (300, 5.0)] {
            history.read(at(instant), value);
        }
        let at = |instant| history.at(at(instant), at(instant - 9));
        assert_eq!(
            [at(100), at(150), at(200), at(250), at(300)].map(Option::unwrap),
            [1.0, 3.0, 5.0, 5.0, 5.0]
        );
        assert_eq!((at(99), at(309), at(310)), (None, Some(5.0), None));
    }

    proptest! {
        #[test]
        fn every_amount_falls_in_one_of_the_parts_of_its_time(
            samples in proptest::collection::vec((1_u64..1000, 0.0..100.0), 2..400),
            cuts in proptest::collection::btree_set(0_u64..400_000, 0..50),
        ) {
            let mut history = History::default();
            let (mut now, mut sum) = (0, 0.0);
            history.count(at(0), 0.0, NEVER);
            for (passed, amount) in samples {
                now += passed;
                sum += amount;
                history.count(at(now), amount, NEVER);
            }
            prop_assert!(history.points.len() <= History::MOST_POINTS);
            let mut from = 0;
            let mut parts = 0.0;
            for to in cuts.into_iter().chain([500_000]) {
                parts += history.within(at(from), at(to));
                // What is forgotten is not needed any more.
                history.forget(at(to));
                from = to;
            }
            prop_assert!((parts - sum).abs() <= 1e-9 * sum.max(1.0), "{parts} of {sum}");
            prop_assert!(history.ends_by(at(500_000)));
        }
    }
}
