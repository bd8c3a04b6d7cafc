//! When which message is due.

use std::time::Duration;

use alumet_core::time::Monotonic;

/// Absolute deadlines: message `n`, counted from 0, is due `(n + 1) / rate` after the start, however late the ones before it
/// were. Workers take turns, so that all of them together are one sequence.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Messages per second of all workers.
    rate: f64,
    /// When it began, once it has.
    start: Option<Monotonic>,
    /// How many messages were sent since.
    sent: u64,
}

impl Pace {
    /// `rate` messages per second.
    pub(crate) const fn new(rate: f64) -> Self {
        Self {
            rate,
            start: None,
            sent: 0,
        }
    }

    /// How long ago, at `now`, the next message was due; `None` if it is not yet. The first call is the start.
    pub(crate) fn overdue(&mut self, now: Monotonic) -> Option<Duration> {
        let start = *self.start.get_or_insert(now);
        let due = Duration::try_from_secs_f64((self.sent + 1) as f64 / self.rate).unwrap_or(Duration::MAX);
        now.since(start).checked_sub(due)
    }

    /// The message that was due was sent.
    pub(crate) const fn sent(&mut self) {
        self.sent += 1;
    }

    /// Nothing can be sent for now: it starts again with the next call, and nothing is made up for.
    pub(crate) const fn restart(&mut self) {
        self.start = None;
        self.sent = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Monotonic {
        Monotonic::from_nanos(millis * 1_000_000)
    }

    /// How many are due up to that instant.
    fn count(pace: &mut Pace, now: Monotonic) -> usize {
        std::iter::from_fn(|| pace.overdue(now).inspect(|_| pace.sent())).count()
    }

    #[test]
    fn late_polls_shift_no_deadline() {
        let mut pace = Pace::new(20.0);
        let counts = [0, 49, 50, 1337, 9999, 10_000].map(|millis| count(&mut pace, at(millis)));
        assert_eq!(counts, [0, 0, 1, 25, 173, 1]);
        assert_eq!(pace.overdue(at(10_049)), None);
        assert_eq!(pace.overdue(at(10_060)), Some(Duration::from_millis(10)));
    }

    #[test]
    fn a_fraction_of_a_message_per_second_is_one_in_several_seconds() {
        let mut pace = Pace::new(0.25);
        assert_eq!(
            [0, 3999, 8000].map(|millis| count(&mut pace, at(millis))),
            [0, 0, 2]
        );
    }

    #[test]
    fn after_a_restart_nothing_is_made_up_for() {
        let mut pace = Pace::new(1.0);
        assert_eq!(count(&mut pace, at(0)), 0);
        pace.restart();
        assert_eq!(count(&mut pace, at(3_600_000)), 0);
        assert_eq!(count(&mut pace, at(3_601_000)), 1);
    }
}
