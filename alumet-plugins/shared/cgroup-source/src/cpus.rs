//! CPU time against what the CPUs offered.

use std::time::Duration;

use crate::config::CpuPercentBase;

/// What 100 % means, and how much CPU time there can be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Capacity {
    cpus_per_hundred: u64,
    cpus: u64,
}

/// CPU time, and what of it is too much for its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bill {
    /// What belongs to the interval, in nanoseconds.
    pub(crate) ns: u64,
    /// As a share of what was offered; `None` when no time has passed.
    pub(crate) percent: Option<f64>,
    /// What belongs to the next interval.
    pub(crate) owed: u64,
}

impl Capacity {
    pub(crate) fn new(base: CpuPercentBase, cpus: u64) -> Self {
        let cpus_per_hundred = match base {
            CpuPercentBase::Machine => cpus,
            CpuPercentBase::Core => 1,
        };
        Self {
            cpus_per_hundred,
            cpus,
        }
    }

    /// Bills CPU time that was used in `elapsed`, as far as all CPUs offered it.
    ///
    /// The kernel bills a time slice when it ends or at a scheduler tick, which a CPU without ticks has once a second; so a
    /// short interval can show time of the one before, and the rest belongs to the next one. What not even that
    /// explains is not believed: no share is above what the CPUs offer, and no debt is longer than the interval by more
    /// than two seconds of all CPUs.
    pub(crate) fn bill(self, ns: u64, elapsed: Duration) -> Bill {
        const LATE_NS: u64 = 1_000_000_000;
        let elapsed = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        let offered = elapsed.saturating_mul(self.cpus);
        let most = elapsed
            .saturating_add(LATE_NS)
            .saturating_mul(self.cpus)
            .saturating_mul(2);
        let ns = if ns > most { 0 } else { ns };
        if elapsed == 0 {
            return Bill {
                ns,
                percent: None,
                owed: 0,
            };
        }
        let billed = ns.min(offered);
        Bill {
            ns: billed,
            percent: Some(100.0 * billed as f64 / (elapsed as f64 * self.cpus_per_hundred as f64)),
            owed: ns - billed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_percentage_is_relative_to_the_machine_or_to_one_cpu() {
        let bill = |base, ns, elapsed| Capacity::new(base, 4).bill(ns, elapsed).percent;
        assert_eq!(bill(CpuPercentBase::Machine, 2_000_000_000, SECOND), Some(50.0));
        assert_eq!(bill(CpuPercentBase::Core, 2_000_000_000, SECOND), Some(200.0));
        assert_eq!(bill(CpuPercentBase::Core, 1, Duration::ZERO), None);
    }

    #[test]
    fn what_all_cpus_could_not_have_used_belongs_to_the_next_interval() {
        for (base, most) in [(CpuPercentBase::Machine, 100.0), (CpuPercentBase::Core, 400.0)] {
            let bill = Capacity::new(base, 4).bill(9_000_000_000, SECOND);
            assert_eq!(
                (bill.ns, bill.percent, bill.owed),
                (4_000_000_000, Some(most), 5_000_000_000)
            );
        }
    }

    #[test]
    fn a_day_of_cpu_time_in_a_quarter_of_a_second_is_no_debt_of_hours() {
        let day = 24 * 3_600_000_000_000;
        let bill = Capacity::new(CpuPercentBase::Machine, 2).bill(day, SECOND / 4);
        assert_eq!((bill.ns, bill.percent, bill.owed), (0, Some(0.0), 0));
    }
}
