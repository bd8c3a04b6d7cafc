//! How long to wait before asking a server of which many agents ask as well.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// Pauses are random parts of a range, which doubles from one failure to the next: the longer a server was away, the longer agents
/// take to come back ("Full jitter" of M. Brooker, *Exponential Backoff And Jitter*, AWS, 2015).
#[derive(Debug)]
pub(crate) struct Pauses {
    /// The first range.
    spread: Duration,
    failures: u32,
    failed_at: Instant,
    pause: Duration,
}

/// The least first range.
const FIRST: Duration = Duration::from_secs(1);

/// The longest range, unless twice the first one is longer.
const LONGEST: Duration = Duration::from_secs(120);

/// What has gone well for longer lets ranges begin anew.
const GOOD: Duration = Duration::from_secs(30);

impl Pauses {
    pub(crate) fn new(spread: Duration) -> Self {
        Self {
            spread,
            failures: 0,
            failed_at: Instant::now(),
            pause: Duration::ZERO,
        }
    }

    /// The pause before the first question.
    pub(crate) fn first(&self) -> Duration {
        self.spread.mul_f64(random())
    }

    /// The pause after a failure now, which is not shorter than what the server wants.
    pub(crate) fn next(&mut self, now: Instant, wanted: Duration) -> Duration {
        if now.duration_since(self.failed_at) > self.pause.saturating_add(GOOD) {
            self.failures = 0;
        }
        let longest = LONGEST.max(self.spread.saturating_mul(2));
        let range = self.spread.max(FIRST).saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        self.failed_at = now;
        self.pause = range.min(longest).mul_f64(random()).max(wanted);
        self.pause
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

    /// What 5000 nodes need, as the docs of `start_spread` say: a second for each 25.
    const SPREAD: Duration = Duration::from_secs(200);
    const AGENTS: u32 = 5000;

    #[test]
    fn ranges_grow_up_to_the_longest_and_begin_anew_after_a_good_time() {
        let mut now = Instant::now();
        let mut longest = [Duration::ZERO; 7];
        for _ in 0..200 {
            let mut pauses = Pauses::new(Duration::from_secs(10));
            for longest in &mut longest {
                *longest = pauses.next(now, Duration::ZERO).max(*longest);
                now += pauses.pause + GOOD;
            }
            now += Duration::from_millis(1);
            assert!(pauses.next(now, Duration::ZERO) <= Duration::from_secs(10));
        }
        for (longest, range) in longest.into_iter().zip([10, 20, 40, 80, 120, 120, 120]) {
            let range = Duration::from_secs(range);
            assert!(
                longest <= range && longest > range.mul_f64(0.9),
                "{longest:?} of {range:?}"
            );
        }
    }

    #[test]
    fn a_server_is_left_alone_for_as_long_as_it_wants() {
        let wanted = Duration::from_secs(500);
        assert_eq!(Pauses::new(SPREAD).next(Instant::now(), wanted), wanted);
    }

    #[test]
    fn of_5000_agents_that_start_together_no_second_has_more_than_100_questions() {
        let mut seconds = [0; 201];
        for _ in 0..AGENTS {
            // The pods are listed, and then watched.
            seconds[Pauses::new(SPREAD).first().as_secs() as usize] += 2;
        }
        assert!(seconds.iter().all(|questions| *questions <= 100), "{seconds:?}");
    }

    /// The largest number of questions in a second when the watches of all agents break at once and the server answers only
    /// after a time; it may have forgotten what the agents know.
    fn busiest_second(spread: Duration, away: Duration, has_forgotten: bool) -> u32 {
        let mut seconds = vec![0; 4000];
        for _ in 0..AGENTS {
            let (mut pauses, begin) = (Pauses::new(spread), Instant::now());
            let (mut now, mut has_list) = (begin, !has_forgotten);
            let mut fail = |now: &mut Instant| {
                *now += pauses.next(*now, Duration::ZERO);
                now.duration_since(begin)
            };
            while fail(&mut now) < away {}
            let mut count = |now: Instant, questions| {
                seconds[now.duration_since(begin).as_secs() as usize] += questions;
            };
            // The watch, which is refused if the server has forgotten; then the list and another watch.
            count(now, 1);
            if !std::mem::replace(&mut has_list, true) {
                fail(&mut now);
                count(now, 2);
            }
        }
        seconds.into_iter().max().unwrap()
    }

    #[test]
    fn of_5000_agents_whose_server_comes_back_no_second_has_more_than_100_questions() {
        for away in [1, 60, 600].map(Duration::from_secs) {
            for has_forgotten in [false, true] {
                let most = busiest_second(SPREAD, away, has_forgotten);
                assert!(most <= 100, "{most} after {away:?}");
            }
        }
    }
}
