//! From the kernel's cumulative counts to increments that are never absurd.

use std::time::Duration;

use alumet_core::counter::{Counter, CounterRange, Increment, MonotonicU64};

/// A count that only rises, unless what it counts is reset, replugged or registered anew.
#[derive(Debug, Clone)]
pub(crate) struct Increments(Counter);

impl Increments {
    /// A count without an end.
    pub(crate) fn of_64_bits() -> Self {
        // A 64-bit count of bytes does not wrap within the life of a machine: a fall is a reset.
        Self(Counter::new(CounterRange::Unknown))
    }

    /// A count of milliseconds that the kernel prints as an `unsigned int`: it wraps after 49 days.
    pub(crate) fn of_32_bit_milliseconds() -> Self {
        /// A thousand requests of a disk at the same time.
        const MOST_PER_SECOND: f64 = 1_000_000.0;
        Self(Counter::new(CounterRange::Bits32).with_max_rate(MOST_PER_SECOND))
    }

    /// What was counted since the previous reading, `elapsed` ago; `None` for the first reading and after a reset.
    pub(crate) fn update(&mut self, value: u64, elapsed: Duration) -> Option<u64> {
        match self.0.update_at(value, Some(elapsed)) {
            Increment::Delta(delta) | Increment::Wrapped(delta) => Some(delta),
            // What an unplugged device counts after its return is not what happened in this interval; a device that
            // merely corrected its count downwards would even give its whole life.
            Increment::First | Increment::Reset(_) | Increment::Ambiguous { .. } => None,
        }
    }
}

/// A count of ticks that is known to step back a little, such as the idle time of a CPU.
#[derive(Debug, Clone, Default)]
pub(crate) struct TickIncrements {
    highest: MonotonicU64,
}

impl TickIncrements {
    /// The ticks since the previous reading, zero after a small step back. `None` for the first reading, after a fall
    /// by more than `most`, and after a rise by more than `most`: then the kernel changed its mind about the past,
    /// as it does when a CPU goes offline or a virtual machine moves.
    pub(crate) fn update(&mut self, value: u64, most: u64) -> Option<u64> {
        let increment = self.highest.increment(value)?;
        let behind = self.highest.update(value) - value;
        if behind > most {
            self.highest.reset();
            self.highest.update(value);
            return None;
        }
        (increment <= most).then_some(increment)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_reset_gives_no_increment_and_the_next_interval_is_right() {
        let mut count = Increments::of_64_bits();
        let increments = [1000, 1500, 3, 10].map(|value| count.update(value, SECOND));
        assert_eq!(increments, [None, Some(500), None, Some(7)]);
    }

    #[test]
    fn milliseconds_wrap_at_32_bits_but_a_reset_is_no_wrap() {
        let mut count = Increments::of_32_bit_milliseconds();
        let values = [u64::from(u32::MAX) - 4, 5, 2_000_000, 7];
        let increments = values.map(|value| count.update(value, Duration::from_secs(5)));
        assert_eq!(increments, [None, Some(10), Some(1_999_995), None]);
    }

    #[test]
    fn a_small_step_back_is_waited_out() {
        let mut count = TickIncrements::default();
        let increments = [500, 600, 599, 601].map(|value| count.update(value, 200));
        assert_eq!(increments, [None, Some(100), Some(0), Some(1)]);
    }

    #[test]
    fn a_large_step_in_either_direction_starts_anew() {
        let mut count = TickIncrements::default();
        let increments = [5000, 10, 20, 90_000, 90_001].map(|value| count.update(value, 200));
        assert_eq!(increments, [None, None, Some(10), None, Some(1)]);
    }

    proptest! {
        #[test]
        fn no_increment_is_larger_than_what_is_plausible(
            values in proptest::collection::vec(prop_oneof![0_u64..1000, any::<u64>()], 1..50),
            most in 0_u64..500,
        ) {
            let mut count = TickIncrements::default();
            for value in values {
                prop_assert!(count.update(value, most).is_none_or(|increment| increment <= most));
            }
        }
    }
}
