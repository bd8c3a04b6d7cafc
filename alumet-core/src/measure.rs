//! What a piece of work costs this process: time, CPU time and memory, without any set-up.
//!
//! ```
//! let sorted = alumet_core::measure(|| {
//!     let mut numbers: Vec<u32> = (0..100_000).rev().collect();
//!     numbers.sort();
//!     numbers
//! });
//! assert_eq!(sorted.value[0], 0);
//! println!("{:?} of CPU time in {:?}", sorted.usage.cpu_time, sorted.usage.elapsed);
//! ```
//!
//! Energy needs sources: [`Pipeline::measure`](crate::pipeline::Pipeline::measure) adds what they measure meanwhile.

use std::future::poll_fn;
use std::pin::pin;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// What a piece of work has returned, and what it has cost.
#[derive(Debug, Clone)]
pub struct Measured<T> {
    /// What the work has returned.
    pub value: T,
    /// What it has cost.
    pub usage: Usage,
}

/// What a piece of work has cost this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// From its beginning to its end, on the monotonic clock.
    pub elapsed: Duration,
    /// CPU time of the thread while it did the work; for a future, of each thread while it polled it. Threads and tasks that the
    /// work has started are not included.
    pub cpu_time: Duration,
    /// CPU time of all threads of the process meanwhile, whatever they worked on.
    pub process_cpu_time: Duration,
    /// The change of the memory of the process meanwhile; `None` without `/proc`.
    pub memory: Option<MemoryChange>,
}

/// How the memory of the process that is in RAM has changed. The kernel may be wrong by some pages per CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryChange {
    /// By how many bytes there is more at the end than at the beginning; negative if there is less.
    pub resident: i64,
    /// By how many bytes the peak of the whole process has risen; 0 if there was once more before.
    pub peak: u64,
}

/// Does `work` on this thread and measures it: two readings of clocks and of `/proc/self/status`, some 30 µs in all.
pub fn measure<T>(work: impl FnOnce() -> T) -> Measured<T> {
    let begin = Reading::now();
    let thread = cpu_time(ClockId::CLOCK_THREAD_CPUTIME_ID);
    let value = work();
    let on_thread = cpu_time(ClockId::CLOCK_THREAD_CPUTIME_ID).saturating_sub(thread);
    let usage = begin.usage(on_thread);
    Measured { value, usage }
}

/// Awaits `work` and measures it, on whichever threads it is polled.
pub async fn measure_future<F: Future>(work: F) -> Measured<F::Output> {
    let mut work = pin!(work);
    let begin = Reading::now();
    let mut on_threads = Duration::ZERO;
    let value = poll_fn(|context| {
        let thread = cpu_time(ClockId::CLOCK_THREAD_CPUTIME_ID);
        let polled = work.as_mut().poll(context);
        on_threads += cpu_time(ClockId::CLOCK_THREAD_CPUTIME_ID).saturating_sub(thread);
        polled
    })
    .await;
    let usage = begin.usage(on_threads);
    Measured { value, usage }
}

/// What is known of the process when the work begins.
struct Reading {
    memory: Option<Memory>,
    process: Duration,
    instant: Instant,
}

/// In bytes.
struct Memory {
    resident: u64,
    peak: u64,
}

impl Reading {
    /// What takes longest is read first here and last in [`Self::usage`], so that it is not part of the work.
    fn now() -> Self {
        Self {
            memory: Memory::now(),
            process: cpu_time(ClockId::CLOCK_PROCESS_CPUTIME_ID),
            instant: Instant::now(),
        }
    }

    fn usage(self, cpu_time_of_work: Duration) -> Usage {
        let elapsed = self.instant.elapsed();
        let process = cpu_time(ClockId::CLOCK_PROCESS_CPUTIME_ID);
        let memory = self
            .memory
            .zip(Memory::now())
            .map(|(before, after)| MemoryChange {
                resident: after.resident.cast_signed() - before.resident.cast_signed(),
                peak: after.peak.saturating_sub(before.peak),
            });
        Usage {
            elapsed,
            cpu_time: cpu_time_of_work,
            process_cpu_time: process.saturating_sub(self.process),
            memory,
        }
    }
}

impl Memory {
    fn now() -> Option<Self> {
        Self::of_status(&std::fs::read_to_string("/proc/self/status").ok()?)
    }

    /// From the lines `VmHWM:     1234 kB` and `VmRSS: …` (proc_pid_status(5)), where a kB has 1024 bytes.
    fn of_status(status: &str) -> Option<Self> {
        let bytes = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            let kibibytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
            kibibytes.checked_mul(1024)
        };
        Some(Self {
            resident: bytes("VmRSS:")?,
            peak: bytes("VmHWM:")?,
        })
    }
}

/// The kernel has the CPU clocks of the caller, and so cannot fail to read them.
fn cpu_time(clock: ClockId) -> Duration {
    clock_gettime(clock).map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_without_memory_gives_none() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t       4 kB\n";
        let memory = Memory::of_status(status).expect("both lines");
        assert_eq!((memory.resident, memory.peak), (4096, 2 << 20));
        assert!(Memory::of_status("Name:\tkthreadd\n").is_none());
        assert!(Memory::of_status("VmHWM: x kB\nVmRSS: 4 kB\n").is_none());
    }
}
