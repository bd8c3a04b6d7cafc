//! The clock on which the kernel stamps the start of a process.

use nix::time::{ClockId, clock_gettime};

/// The ticks since boot, time asleep included: comparable with the start of a process in `/proc/PID/stat`.
pub(crate) fn ticks_since_boot(ticks_per_second: u64) -> u64 {
    // Only a kernel before 2.6.39 lacks the clock; every process then counts as started later.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(0, |time| {
        let part = |value: i64| u64::try_from(value).unwrap_or(0);
        let (seconds, nanoseconds) = (part(time.tv_sec()), part(time.tv_nsec()));
        let of_second = nanoseconds.saturating_mul(ticks_per_second) / 1_000_000_000;
        seconds.saturating_mul(ticks_per_second).saturating_add(of_second)
    })
}
