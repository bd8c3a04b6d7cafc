//! The units in which the kernel counts: clock ticks and pages.

use nix::unistd::{SysconfVar, sysconf};

/// Clock ticks per second (`USER_HZ`) of the CPU times in `/proc`: 100 on every Linux of today.
pub fn ticks_per_second() -> u64 {
    positive(SysconfVar::CLK_TCK).unwrap_or(100)
}

/// The size of a memory page in bytes.
pub fn page_size() -> u64 {
    positive(SysconfVar::PAGE_SIZE).unwrap_or(4096)
}

fn positive(variable: SysconfVar) -> Option<u64> {
    let value = sysconf(variable).ok().flatten()?;
    u64::try_from(value).ok().filter(|value| *value > 0)
}

/// Converts ticks into nanoseconds; saturates after 584 years.
pub fn ticks_to_ns(ticks: u64, ticks_per_second: u64) -> u64 {
    let ns = u128::from(ticks) * 1_000_000_000 / u128::from(ticks_per_second.max(1));
    u64::try_from(ns).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_become_nanoseconds_without_overflow() {
        assert_eq!(ticks_to_ns(3, 100), 30_000_000);
        assert_eq!(ticks_to_ns(u64::MAX, 1), u64::MAX);
        assert_eq!(ticks_to_ns(1, 0), 1_000_000_000);
    }
}
