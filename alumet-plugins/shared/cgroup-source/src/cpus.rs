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

/// What 100 % means, and how much CPU time there can be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Capacity {
    cpus_per_hundred: u64,
    cpus: u64,
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
        let cpus_per_hundred = match base {
            CpuPercentBase::Machine => cpus,
            CpuPercentBase::Core => 1,
        };
        Self {
            cpus_per_hundred,
            cpus,
        }
    }

    /// CPU time as a share of what was offered in `elapsed`, and the rest if it is more than all CPUs offered, which
    /// belongs to the next interval; `None` when no time has passed.
    ///
    /// The kernel bills a time slice when it ends or at a scheduler tick, so that a short interval can show time of the
    /// one before; and a CPU can go offline.
    pub(crate) fn bill(self, ns: u64, elapsed: Duration) -> Option<(f64, u64)> {
        if elapsed.is_zero() {
            return None;
        }
        let elapsed = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        let billed = ns.min(elapsed.saturating_mul(self.cpus));
        let offered = elapsed as f64 * self.cpus_per_hundred as f64;
        Some((100.0 * billed as f64 / offered, ns - billed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_relative_to_the_machine_or_to_one_cpu() {
        let second = Duration::from_secs(1);
        let bill = |base, ns, elapsed| Capacity::new(base, 4).bill(ns, elapsed);
        assert_eq!(
            bill(CpuPercentBase::Machine, 2_000_000_000, second),
            Some((50.0, 0))
        );
        assert_eq!(
            bill(CpuPercentBase::Core, 2_000_000_000, second),
            Some((200.0, 0))
        );
        assert_eq!(bill(CpuPercentBase::Core, 1, Duration::ZERO), None);
    }

    #[test]
    fn what_all_cpus_could_not_have_used_belongs_to_the_next_interval() {
        let second = Duration::from_secs(1);
        for (base, most) in [(CpuPercentBase::Machine, 100.0), (CpuPercentBase::Core, 400.0)] {
            let bill = Capacity::new(base, 4).bill(9_000_000_000, second);
            assert_eq!(bill, Some((most, 5_000_000_000)));
        }
    }
}
