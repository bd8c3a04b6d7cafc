//! CPU time as a percentage.

use std::time::Duration;

use alumet_reader_procfs::SystemRoot;
use alumet_reader_procfs::cpu_online::CpuListFile;

use crate::config::CpuPercentBase;

/// Counts the CPUs that are online.
pub(crate) struct OnlineCpus {
    file: Option<CpuListFile>,
    last: u64,
}

/// What 100 % means, and how many percent there can be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Capacity {
    cpus_per_hundred: f64,
    most: f64,
}

impl OnlineCpus {
    pub(crate) fn open(root: &SystemRoot) -> Self {
        let of_this_program = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            file: CpuListFile::online(root).ok(),
            last: u64::try_from(of_this_program).unwrap_or(1),
        }
    }

    /// The capacity of now; the last one when the list cannot be read.
    pub(crate) fn capacity(&mut self, base: CpuPercentBase) -> Capacity {
        if let Some(Ok(list)) = self.file.as_mut().map(CpuListFile::read) {
            self.last = list.count().max(1);
        }
        Capacity::new(base, self.last)
    }
}

impl Capacity {
    fn new(base: CpuPercentBase, cpus: u64) -> Self {
        let cpus = cpus as f64;
        match base {
            CpuPercentBase::Machine => Self {
                cpus_per_hundred: cpus,
                most: 100.0,
            },
            CpuPercentBase::Core => Self {
                cpus_per_hundred: 1.0,
                most: 100.0 * cpus,
            },
        }
    }

    /// CPU time as a share of what was offered in `elapsed`; `None` when no time has passed.
    pub(crate) fn percent(self, ns: u64, elapsed: Duration) -> Option<f64> {
        if elapsed.is_zero() {
            return None;
        }
        let offered = elapsed.as_nanos() as f64 * self.cpus_per_hundred;
        // A CPU can go offline in the interval, and the kernel bills a long time slice when it ends.
        Some((100.0 * ns as f64 / offered).min(self.most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_relative_to_the_machine_or_to_one_cpu_and_bounded_by_all_cpus() {
        let second = Duration::from_secs(1);
        let percent = |base, ns, elapsed| Capacity::new(base, 4).percent(ns, elapsed);
        assert_eq!(
            percent(CpuPercentBase::Machine, 2_000_000_000, second),
            Some(50.0)
        );
        assert_eq!(percent(CpuPercentBase::Core, 2_000_000_000, second), Some(200.0));
        assert_eq!(
            percent(CpuPercentBase::Machine, 9_000_000_000, second),
            Some(100.0)
        );
        assert_eq!(percent(CpuPercentBase::Core, 9_000_000_000, second), Some(400.0));
        assert_eq!(percent(CpuPercentBase::Core, 1, Duration::ZERO), None);
    }
}
