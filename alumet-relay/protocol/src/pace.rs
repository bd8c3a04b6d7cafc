//! How many bytes per second may be sent, or are taken.

use std::time::{Duration, Instant};

/// In how many portions a burst passes at the limit.
const PORTIONS: u32 = 256;

/// A limit of bandwidth (the "virtual scheduling algorithm" of ITU-T I.371): a message larger than what is free passes, and
/// the next ones wait until it is paid for.
#[derive(Debug)]
pub struct Pace {
    bytes_per_second: u64,
    /// What may pass at once after silence, as time.
    burst: Duration,
    /// Until when all that passed would have taken.
    busy_until: Option<Instant>,
}

impl Pace {
    /// `bytes_per_second` of 0 is no limit.
    pub const fn new(bytes_per_second: u64, burst: Duration) -> Self {
        Self {
            bytes_per_second,
            burst,
            busy_until: None,
        }
    }

    /// Until when the next message has to wait, if it has to: until there is room for some, because each rest costs as much
    /// as many small messages.
    pub fn wait(&self, now: Instant) -> Option<Instant> {
        let free = self.busy_until?.checked_sub(self.burst)?;
        (free > now).then_some(free + self.burst / PORTIONS)
    }

    /// So many bytes pass at `now`.
    pub fn pass(&mut self, bytes: u64, now: Instant) {
        if self.bytes_per_second == 0 {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "a pace needs no more than 52 bits")]
        let seconds = bytes as f64 / self.bytes_per_second as f64;
        let busy_until = self.busy_until.map_or(now, |until| until.max(now));
        // A message is bounded, so that this is days at most.
        self.busy_until = Some(busy_until + Duration::from_secs_f64(seconds.min(1e6)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn after_a_burst_no_more_passes_than_the_limit_says() {
        let start = Instant::now();
        let mut pace = Pace::new(1000, SECOND / 4);
        let mut now = start;
        for _ in 0..100 {
            now = pace.wait(now).unwrap_or(now);
            pace.pass(50, now);
        }
        // The last of 100 messages passes when the 99 before it are paid for, but for the burst.
        let seconds = (now - start).as_secs_f64();
        assert!((seconds - 4.7).abs() < 0.01, "{seconds}");
    }

    #[test]
    fn what_is_larger_than_the_burst_is_paid_for_afterwards_and_silence_is_not_saved_up() {
        let (mut pace, start) = (Pace::new(1000, SECOND), Instant::now());
        pace.pass(10_000, start);
        assert_eq!(pace.wait(start), Some(start + 9 * SECOND + SECOND / PORTIONS));
        let later = start + 100 * SECOND;
        assert_eq!(pace.wait(later), None);
        pace.pass(1000, later);
        assert_eq!(pace.wait(later), None);
        pace.pass(2000, later);
        assert_eq!(pace.wait(later), Some(later + 2 * SECOND + SECOND / PORTIONS));
    }

    #[test]
    fn zero_is_no_limit_and_no_number_makes_it_panic() {
        let (mut none, mut slow) = (Pace::new(0, SECOND), Pace::new(1, SECOND));
        let now = Instant::now();
        none.pass(u64::MAX, now);
        slow.pass(u64::MAX, now);
        assert_eq!(none.wait(now), None);
        assert!(slow.wait(now).is_some());
    }
}
