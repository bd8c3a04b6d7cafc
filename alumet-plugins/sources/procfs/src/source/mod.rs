//! The sources: what turns readings into samples.

pub(crate) mod cpu_frequency;
pub(crate) mod disks;
pub(crate) mod kernel;
pub(crate) mod load;
pub(crate) mod memory;
pub(crate) mod network;
pub(crate) mod pressure;
pub(crate) mod processes;
pub(crate) mod temperatures;

use std::time::Duration;

use alumet_core::time::Monotonic;

/// The time between two polls on the monotonic clock.
#[derive(Debug, Default)]
struct PollInterval {
    last: Option<Monotonic>,
}

impl PollInterval {
    /// The time since the previous call; zero at the first one.
    fn until(&mut self, now: Monotonic) -> Duration {
        let last = self.last.replace(now);
        last.map_or(Duration::ZERO, |last| now.since(last))
    }
}
