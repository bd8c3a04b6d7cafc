//! How far a stream of samples has come, and on which clock.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::time::{Moment, Monotonic, Timestamp};

/// Names one stream of batches, each of which continues the one before: those of the sources that are polled together,
/// or those that one stream of another node sends. Unique in this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(u32);

impl StreamId {
    /// A stream that nobody else has.
    #[expect(clippy::new_without_default, reason = "each one is another")]
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// What tells it from the others of this program.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// The stream of a batch, and until when that stream is complete.
///
/// Timestamps show what the wall clock showed, steps included; so whoever joins series of a node orders them by
/// [`monotonic_of`](Self::monotonic_of). All samples of a batch with progress are on one clock: a batch ends where the wall
/// clock steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The stream. Its next batch continues this one.
    pub stream: StreamId,
    /// Every sample that the stream has made up to this moment has come, but for those of devices that stamp their own.
    /// The monotonic clock is that of the node where the stream is made: one for all its streams, and no other's. What
    /// another node sends keeps both clocks of that node; where that starts anew, and its monotonic clock with it, other
    /// streams begin.
    pub until: Moment,
}

impl Progress {
    /// The instant of a sample of the batch on the monotonic clock of its node.
    pub const fn monotonic_of(&self, timestamp: Timestamp) -> Monotonic {
        let ahead = timestamp.as_nanos().saturating_sub(self.until.wall.as_nanos());
        Monotonic::from_nanos(self.until.monotonic.as_nanos().saturating_add_signed(ahead))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_the_instant_at_which_its_stream_was_at_its_timestamp() {
        let progress = Progress {
            stream: StreamId::new(),
            until: Moment {
                wall: Timestamp::from_nanos(1_000),
                monotonic: Monotonic::from_nanos(70),
            },
        };
        let of = |wall| progress.monotonic_of(Timestamp::from_nanos(wall)).as_nanos();
        assert_eq!((of(1_000), of(990), of(1_005)), (70, 60, 75));
        assert_eq!(of(i64::MIN), 0, "before the start of the clock");
        assert!(StreamId::new() != StreamId::new());
    }
}
