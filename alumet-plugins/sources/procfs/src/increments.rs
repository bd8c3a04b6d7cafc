//! The counts of the kernel: how they end, and how fast they can rise.

use alumet_core::counter::{Counter, CounterRange};

/// A count that only rises, unless what it counts is reset, replugged or registered anew.
pub(crate) const fn endless() -> Counter {
    // A 64-bit count of bytes does not wrap within the life of a machine: a fall is a reset.
    Counter::new(CounterRange::Unknown)
}

/// A count of milliseconds that the kernel prints as an `unsigned int`: it wraps after 49 days.
pub(crate) fn milliseconds_of_32_bits() -> Counter {
    /// A thousand requests of a disk at the same time.
    const MOST_PER_SECOND: f64 = 1_000_000.0;
    Counter::new(CounterRange::Bits32).with_max_rate(MOST_PER_SECOND)
}

/// Ticks that CPUs spent in a state; its readings come with the CPU time that they can have held.
pub(crate) fn cpu_ticks(ticks_per_second: u64) -> Counter {
    Counter::new(CounterRange::Unknown).with_max_rate(ticks_per_second as f64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn milliseconds_wrap_at_32_bits_but_a_reset_is_no_wrap() {
        let mut count = milliseconds_of_32_bits();
        let values = [u64::from(u32::MAX) - 4, 5, 2_000_000, 7];
        let increments = values.map(|value| count.update_at(value, Some(Duration::from_secs(5))).delta());
        assert_eq!(increments, [0, 10, 1_999_995, 0]);
    }
}
