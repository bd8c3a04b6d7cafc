//! How long to wait before asking again.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// Pauses that double from one failure to the next.
#[derive(Debug)]
pub(crate) struct Pauses {
    failures: u32,
    failed_at: Instant,
}

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

impl Pauses {
    pub(crate) fn new() -> Self {
        Self {
            failures: 0,
            failed_at: Instant::now(),
        }
    }

    /// The pause after a failure now. What went well for longer than the longest pause lets them begin anew.
    pub(crate) fn next(&mut self, now: Instant) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(16));
        if now.duration_since(self.failed_at) > doubled.min(LONGEST) + LONGEST {
            self.failures = 0;
        }
        self.failed_at = now;
        let longest = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        // Many agents must not come back at the same moment.
        longest.mul_f64(1.0 - 0.5 * random())
    }
}

/// A number from 0 to 1.
pub(crate) fn random() -> f64 {
    // Each of these has keys of its own, from the randomness of the system.
    RandomState::new().hash_one(()) as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest_and_begin_anew_after_a_good_time() {
        let mut pauses = Pauses::new();
        let mut now = Instant::now();
        let mut next = |after: u64| {
            now += Duration::from_secs(after);
            pauses.next(now)
        };
        for longest in [1, 2, 4, 8, 16, 30, 30] {
            let longest = Duration::from_secs(longest);
            let pause = next(30);
            assert!(
                pause <= longest && pause * 2 >= longest,
                "{pause:?} of {longest:?}"
            );
        }
        assert!(next(61) <= FIRST);
    }
}
