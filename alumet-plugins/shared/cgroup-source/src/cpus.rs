//! Which CPU time belongs to an interval.

use std::time::Duration;

/// Bills CPU time that was used in `elapsed`, as far as all CPUs offered it: what belongs to the interval and what to the
/// next one, in nanoseconds.
///
/// The kernel bills a time slice when it ends or at a scheduler tick, which a CPU without ticks has once a second; so a
/// short interval can show time of the one before, and the rest belongs to the next one. What not even that
/// explains is not believed: no debt is longer than the interval by more than two seconds of all CPUs.
pub(crate) fn bill(ns: u64, elapsed: Duration, cpus: u64) -> (u64, u64) {
    const LATE_NS: u64 = 1_000_000_000;
    let elapsed = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
    let most = elapsed
        .saturating_add(LATE_NS)
        .saturating_mul(cpus)
        .saturating_mul(2);
    let ns = if ns > most { 0 } else { ns };
    if elapsed == 0 {
        return (ns, 0);
    }
    let billed = ns.min(elapsed.saturating_mul(cpus));
    (billed, ns - billed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_all_cpus_could_not_have_used_belongs_to_the_next_interval() {
        assert_eq!(bill(9_000_000_000, SECOND, 4), (4_000_000_000, 5_000_000_000));
    }

    #[test]
    fn a_day_of_cpu_time_in_a_quarter_of_a_second_is_no_debt_of_hours() {
        assert_eq!(bill(24 * 3_600_000_000_000, SECOND / 4, 2), (0, 0));
    }
}
