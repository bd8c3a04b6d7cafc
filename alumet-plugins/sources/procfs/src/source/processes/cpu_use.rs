//! What a process used between two readings of its CPU time.

use std::time::Duration;

use alumet_core::time::Monotonic;
use alumet_reader_procfs::process::SplitTime;

/// One reading of the CPU time of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CpuReading {
    pub(super) time: SplitTime,
    pub(super) guest_ticks: u64,
    /// How many threads it had.
    pub(super) threads: u64,
    /// An instant before the reading.
    pub(super) before: Monotonic,
    /// An instant after the reading.
    pub(super) after: Monotonic,
}

/// The CPU time between two readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CpuUse {
    pub(super) time: SplitTime,
    pub(super) guest_ticks: u64,
    /// The threads of the reading that saw more of them.
    threads: u64,
    /// At least the time that passed between the readings.
    pub(super) elapsed: Duration,
}

impl CpuReading {
    /// The reading of a process at its birth.
    pub(super) fn at_birth(birth: Monotonic) -> Self {
        Self {
            time: SplitTime::default(),
            guest_ticks: 0,
            threads: 1,
            before: birth,
            after: birth,
        }
    }

    /// What was used since `earlier`.
    pub(super) fn since(&self, earlier: &Self) -> CpuUse {
        CpuUse {
            time: self.time.since(earlier.time),
            guest_ticks: self.guest_ticks.saturating_sub(earlier.guest_ticks),
            threads: self.threads.max(earlier.threads),
            // The outer instants: a reading that was held up cannot make a share larger than it was.
            elapsed: self.after.since(earlier.before),
        }
    }
}

impl CpuUse {
    /// Cuts what `cpus` could not give to the threads in the time that passed, and gives it back.
    ///
    /// The kernel adds what a thread uses to its CPU clock at each scheduler tick (1 to 10 ms), so that what was used
    /// before one reading can show up at the next one. Nothing is lost: it belongs to the next interval. What is more
    /// than a tick for each thread tells of threads that came and went between the two readings.
    pub(super) fn limit(&mut self, cpus: u64) -> SplitTime {
        const LONGEST_TICK_NS: u64 = 10_000_000;
        let elapsed = u64::try_from(self.elapsed.as_nanos()).unwrap_or(u64::MAX);
        let parallel = self.threads.min(cpus).max(1);
        let explained = elapsed.saturating_add(LONGEST_TICK_NS).saturating_mul(parallel);
        let used = self.time.total_ns();
        let parallel = if used <= explained { parallel } else { cpus };
        let ahead = used.saturating_sub(elapsed.saturating_mul(parallel));
        let user_ns = ahead.min(self.time.user_ns);
        let system_ns = ahead - user_ns;
        let ahead = SplitTime { user_ns, system_ns };
        self.time = self.time.since(ahead);
        ahead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(user_ns: u64, system_ns: u64, before: u64, after: u64) -> CpuReading {
        CpuReading {
            time: SplitTime { user_ns, system_ns },
            guest_ticks: 0,
            threads: 1,
            before: Monotonic::from_nanos(before),
            after: Monotonic::from_nanos(after),
        }
    }

    #[test]
    fn a_reading_that_was_held_up_makes_no_share_larger() {
        // Read at 110 and 210, with all CPU time in between, but held up on either side.
        let used = reading(200, 0, 205, 260).since(&reading(100, 0, 90, 130));
        assert!(used.time.user_ns < used.elapsed.as_nanos() as u64);
    }

    #[test]
    fn what_a_cpu_could_not_give_is_left_to_the_next_interval() {
        let first = reading(0, 0, 0, 0);
        let second = reading(110, 20, 100, 100);
        let mut used = second.since(&first);
        let ahead = used.limit(4);
        assert_eq!(
            (used.time.user_ns, used.time.system_ns, ahead.total_ns()),
            (80, 20, 30)
        );
        let billed = CpuReading {
            time: second.time.since(ahead),
            ..second
        };
        let rest = reading(150, 20, 200, 200).since(&billed);
        assert_eq!((rest.time.user_ns, rest.time.system_ns), (70, 0));
    }

    #[test]
    fn two_threads_can_use_two_cpus_but_no_more_than_there_are() {
        let with_threads = |threads| CpuReading {
            threads,
            ..reading(150, 0, 100, 100)
        };
        let first = reading(0, 0, 0, 0);
        assert_eq!(with_threads(2).since(&first).limit(4).total_ns(), 0);
        assert_eq!(with_threads(2).since(&first).limit(1).total_ns(), 50);
        // The other thread has ended since the previous reading, or will start before the next one.
        assert_eq!(
            reading(300, 0, 200, 200)
                .since(&with_threads(2))
                .limit(4)
                .total_ns(),
            0
        );
    }

    #[test]
    fn what_threads_used_that_came_and_went_between_two_readings_is_billed_at_once() {
        const MS: u64 = 1_000_000;
        let first = reading(0, 0, 0, 0);
        let mut used = reading(7_600 * MS, 0, 2_000 * MS, 2_000 * MS).since(&first);
        assert_eq!(used.limit(4).total_ns(), 0);
        assert_eq!(used.time.total_ns(), 7_600 * MS);
        let mut used = reading(9_000 * MS, 0, 2_000 * MS, 2_000 * MS).since(&first);
        assert_eq!(used.limit(4).total_ns(), 1_000 * MS);
        // One tick more than one CPU offers is a late tick.
        let mut used = reading(30 * MS, 0, 20 * MS, 20 * MS).since(&first);
        assert_eq!(used.limit(4).total_ns(), 10 * MS);
    }
}
