//! CPU time against what the CPUs offered.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What 100 % of `cpu_percent` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CpuPercentBase {
    /// All CPUs that are online: nothing has more than 100 %.
    #[default]
    Machine,
    /// One CPU: what keeps two CPUs busy has 200 %.
    Core,
}

/// What 100 % is at present, and how much CPU time there can be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capacity {
    /// CPUs that run.
    pub cpus: u64,
    cpus_per_hundred: f64,
}

impl Capacity {
    /// That of so many CPUs.
    pub const fn new(base: CpuPercentBase, cpus: u64) -> Self {
        let cpus_per_hundred = match base {
            CpuPercentBase::Machine => cpus as f64,
            CpuPercentBase::Core => 1.0,
        };
        Self {
            cpus,
            cpus_per_hundred,
        }
    }

    /// CPU time in nanoseconds as a share of what was offered in `elapsed`; `None` when no time has passed. It is never
    /// above what all CPUs offer: ticks are coarser than a short interval, and CPUs can go offline in it.
    pub fn percent(self, ns: u64, elapsed: Duration) -> Option<f64> {
        let used = 100.0 * ns as f64 / elapsed.as_nanos() as f64;
        (!elapsed.is_zero()).then(|| used.min(100.0 * self.cpus as f64) / self.cpus_per_hundred)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: Capacity = Capacity::new(CpuPercentBase::Machine, 4);
    const CORE: Capacity = Capacity::new(CpuPercentBase::Core, 4);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_percentage_is_relative_to_the_machine_or_to_one_cpu() {
        assert_eq!(MACHINE.percent(2_000_000_000, SECOND), Some(50.0));
        assert_eq!(CORE.percent(2_000_000_000, SECOND), Some(200.0));
    }

    #[test]
    fn no_more_than_all_cpus_can_be_used() {
        assert_eq!(MACHINE.percent(5_000_000_000, SECOND), Some(100.0));
        assert_eq!(CORE.percent(5_000_000_000, SECOND), Some(400.0));
    }

    #[test]
    fn no_time_makes_no_percentage() {
        assert_eq!(CORE.percent(1, Duration::ZERO), None);
    }
}
