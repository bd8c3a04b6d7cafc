//! The limit of bandwidth while a backlog is sent.

use std::time::Duration;

use tokio::time::Instant;

/// A token bucket that may go into debt: a message larger than what is there goes out, and the next ones wait.
#[derive(Debug)]
pub(crate) struct Pace {
    bytes_per_second: f64,
    /// Bytes that may be sent at once; negative after a large message.
    balance: f64,
    counted_at: Instant,
}

/// What may be saved up while nothing is sent, in seconds.
const BURST: f64 = 0.25;

impl Pace {
    /// A pace, or none for `0`.
    pub(crate) fn new(bytes_per_second: u64, now: Instant) -> Option<Self> {
        let pace = Self {
            bytes_per_second: bytes_per_second as f64,
            balance: 0.0,
            counted_at: now,
        };
        (bytes_per_second > 0).then_some(pace)
    }

    /// When the next message may be sent.
    pub(crate) fn ready_at(&mut self, now: Instant) -> Instant {
        self.refill(now);
        if self.balance >= 0.0 {
            return now;
        }
        let seconds = -self.balance / self.bytes_per_second;
        // A day is longer than any connection has to wait, and far from what an instant cannot hold.
        now + Duration::from_secs_f64(seconds.min(86_400.0))
    }

    /// A message of so many bytes was sent.
    pub(crate) fn sent(&mut self, bytes: usize, now: Instant) {
        self.refill(now);
        self.balance -= bytes as f64;
    }

    fn refill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.counted_at).as_secs_f64();
        self.counted_at = now;
        let most = self.bytes_per_second * BURST;
        self.balance = (self.balance + elapsed * self.bytes_per_second).min(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_no_limit() {
        assert!(Pace::new(0, Instant::now()).is_none());
    }

    #[test]
    fn over_time_no_more_is_sent_than_the_limit_says() {
        let start = Instant::now();
        let mut pace = Pace::new(1000, start).unwrap();
        let mut now = start;
        for _ in 0..100 {
            now = pace.ready_at(now);
            pace.sent(50, now);
        }
        // The last of 100 messages leaves when the 99 before it are paid for.
        let seconds = (now - start).as_secs_f64();
        assert!((seconds - 4.95).abs() < 0.01, "{seconds}");
    }

    #[test]
    fn a_message_larger_than_a_second_passes_and_is_paid_for_afterwards() {
        let start = Instant::now();
        let mut pace = Pace::new(1000, start).unwrap();
        assert_eq!(pace.ready_at(start), start);
        pace.sent(10_000, start);
        let wait = (pace.ready_at(start) - start).as_secs_f64();
        assert!((wait - 10.0).abs() < 0.01, "{wait}");
    }

    #[test]
    fn silence_saves_up_only_a_short_burst() {
        let start = Instant::now();
        let mut pace = Pace::new(1000, start).unwrap();
        let later = start + Duration::from_secs(3600);
        assert_eq!(pace.ready_at(later), later);
        pace.sent(250, later);
        assert_eq!(pace.ready_at(later), later);
        pace.sent(1, later);
        assert!(pace.ready_at(later) > later);
    }
}
