//! How fast a client may send.

use std::time::Duration;

use tokio::time::Instant;

/// Bytes per second, with a second in advance.
#[derive(Debug)]
pub(crate) struct Pace {
    bytes_per_second: u64,
    /// Until when all that came would have taken.
    busy_until: Option<Instant>,
}

impl Pace {
    /// What may come at once after silence.
    const BURST: Duration = Duration::from_secs(1);

    /// `bytes_per_second` of 0 is no limit.
    pub(crate) const fn new(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second,
            busy_until: None,
        }
    }

    /// When the next message may be read, after `bytes` came at `now`.
    pub(crate) fn after(&mut self, bytes: u64, now: Instant) -> Option<Instant> {
        if self.bytes_per_second == 0 {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "a pace needs no more than 52 bits")]
        let seconds = bytes as f64 / self.bytes_per_second as f64;
        let busy_until = self.busy_until.map_or(now, |until| until.max(now));
        // A message is bounded, so that this is days at most.
        let busy_until = busy_until + Duration::from_secs_f64(seconds.min(1e6));
        self.busy_until = Some(busy_until);
        let next = busy_until.checked_sub(Self::BURST)?;
        (next > now).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_second_in_advance_the_pace_is_kept() {
        let (mut pace, start) = (Pace::new(1000), Instant::now());
        assert_eq!(pace.after(1000, start), None);
        assert_eq!(pace.after(500, start), Some(start + Duration::from_millis(500)));
        let later = start + Duration::from_secs(100);
        assert_eq!(pace.after(1000, later), None, "silence is not saved up");
        assert_eq!(pace.after(2000, later), Some(later + Duration::from_secs(2)));
        assert_eq!(Pace::new(0).after(u64::MAX, start), None);
        Pace::new(1).after(u64::MAX, start);
    }
}
