//! How long to wait before the next attempt.

use std::time::Duration;

/// Random pauses whose upper bound doubles.
///
/// "Full jitter" of M. Brooker, *Exponential Backoff And Jitter* (AWS, 2015): of all who lost the same server at the
/// same instant, few come back at the same instant.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    initial: Duration,
    longest: Duration,
    attempt: u32,
}

impl Backoff {
    pub(crate) const fn new(initial: Duration, longest: Duration) -> Self {
        Self {
            initial,
            longest,
            attempt: 0,
        }
    }

    /// The next pause is as after the first failure.
    pub(crate) const fn reset(&mut self) {
        self.attempt = 0;
    }

    /// The next pause, anywhere from zero to its bound.
    pub(crate) fn next(&mut self) -> Duration {
        let doubled = 1_u32.checked_shl(self.attempt).unwrap_or(u32::MAX);
        self.attempt = self.attempt.saturating_add(1);
        let bound = self.initial.saturating_mul(doubled).min(self.longest);
        bound.mul_f64(random_share())
    }

    /// A pause after a failure that somebody must mend: from half of the longest to the longest.
    pub(crate) fn slow(&self) -> Duration {
        self.longest.mul_f64(0.5 + random_share() / 2.0)
    }
}

/// From 0 (included) to 1 (excluded).
fn random_share() -> f64 {
    // Without random numbers, which no supported system lacks, everybody waits for half.
    getrandom::u32().map_or(0.5, |random| f64::from(random) / (f64::from(u32::MAX) + 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INITIAL: Duration = Duration::from_millis(500);
    const LONGEST: Duration = Duration::from_secs(5);

    /// The longest of many pauses after `attempt` failures.
    fn bound(attempt: u32) -> Duration {
        let mut backoff = Backoff::new(INITIAL, LONGEST);
        backoff.attempt = attempt;
        (0..2000).map(|_| backoff.clone().next()).max().unwrap()
    }

    #[test]
    fn the_bound_doubles_up_to_the_longest() {
        for (attempt, expected) in [(0, 500), (1, 1000), (2, 2000), (3, 4000), (4, 5000), (500, 5000)] {
            let expected = Duration::from_millis(expected);
            let found = bound(attempt);
            assert!(
                found <= expected && found > expected.mul_f64(0.95),
                "{attempt}: {found:?}"
            );
        }
    }

    #[test]
    fn pauses_are_spread_over_the_whole_range() {
        let mut tenths = [0; 10];
        for _ in 0..2000 {
            let pause = Backoff::new(LONGEST, LONGEST).next();
            tenths[(pause.as_secs_f64() * 2.0) as usize] += 1;
        }
        assert!(tenths.iter().all(|count| *count > 100), "{tenths:?}");
    }

    #[test]
    fn after_a_reset_it_begins_anew_and_slow_is_never_quick() {
        let mut backoff = Backoff::new(INITIAL, LONGEST);
        for _ in 0..9 {
            backoff.next();
        }
        backoff.reset();
        assert!(backoff.next() <= INITIAL);
        for _ in 0..1000 {
            assert!((LONGEST / 2..=LONGEST).contains(&backoff.slow()));
        }
    }
}
