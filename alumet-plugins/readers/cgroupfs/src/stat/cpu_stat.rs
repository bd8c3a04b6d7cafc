//! `cpu.stat` of both versions: CPU time (v2 only) and throttling.

use crate::ParseError;
use crate::fields::Keyed;

/// One reading of `cpu.stat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuStat {
    /// CPU time since the control group was made, in microseconds; `None` in v1.
    pub usage_us: Option<u64>,
    /// The part of it in user mode.
    pub user_us: Option<u64>,
    /// The part of it in kernel mode.
    pub system_us: Option<u64>,
    /// Present where the `cpu` controller is enabled.
    pub throttling: Option<Throttling>,
}

/// How the bandwidth limit of a control group acted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttling {
    /// Enforcement periods that have elapsed.
    pub periods: u64,
    /// Periods in which the group was throttled.
    pub throttled_periods: u64,
    /// How long it was throttled, all its CPUs together, in nanoseconds.
    pub throttled_ns: u64,
    /// Periods in which it used more than its quota, since Linux 5.14.
    pub bursts: Option<u64>,
    /// The CPU time beyond the quota in those periods, in nanoseconds.
    pub burst_ns: Option<u64>,
}

/// Parses `cpu.stat`.
///
/// # Errors
/// When a known line is malformed or no known line is there.
pub fn parse(bytes: &[u8], out: &mut CpuStat) -> Result<(), ParseError> {
    *out = CpuStat::default();
    let mut throttling = Throttling::default();
    let mut known = 0;
    let mut throttling_known = 0;
    for entry in Keyed::of(bytes) {
        let value = |unit: u64| {
            entry
                .value
                .and_then(|value| value.checked_mul(unit))
                .ok_or(ParseError::at(entry.line, "a number is expected after the key"))
        };
        match entry.key {
            b"usage_usec" => out.usage_us = Some(value(1)?),
            b"user_usec" => out.user_us = Some(value(1)?),
            b"system_usec" => out.system_us = Some(value(1)?),
            b"nr_periods" => throttling.periods = value(1)?,
            b"nr_throttled" => throttling.throttled_periods = value(1)?,
            b"throttled_usec" => throttling.throttled_ns = value(1_000)?,
            b"throttled_time" => throttling.throttled_ns = value(1)?,
            b"nr_bursts" => throttling.bursts = Some(value(1)?),
            b"burst_usec" => throttling.burst_ns = Some(value(1_000)?),
            b"burst_time" => throttling.burst_ns = Some(value(1)?),
            _ => continue,
        }
        known += 1;
        if matches!(
            entry.key,
            b"nr_periods" | b"nr_throttled" | b"throttled_usec" | b"throttled_time"
        ) {
            throttling_known += 1;
        }
    }
    if known == 0 {
        return Err(ParseError::whole("`usage_usec` or `nr_periods` is expected"));
    }
    // Fewer than three: the file was cut short among them.
    out.throttling = (throttling_known >= 3).then_some(throttling);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<CpuStat, ParseError> {
        let mut stat = CpuStat::default();
        parse(text.as_bytes(), &mut stat).map(|()| stat)
    }

    #[test]
    fn both_versions_give_throttled_time_in_nanoseconds() {
        let v2 = "usage_usec 7\nuser_usec 5\nsystem_usec 2\nnice_usec 1\nnr_periods 4\nnr_throttled 3\n\
                  throttled_usec 9\nnr_bursts 1\nburst_usec 2\n";
        let v1 = "nr_periods 4\nnr_throttled 3\nthrottled_time 9000\nnr_bursts 1\nburst_time 2000\n";
        let (v2, v1) = (read(v2).unwrap(), read(v1).unwrap());
        assert_eq!((v2.usage_us, v2.user_us, v2.system_us), (Some(7), Some(5), Some(2)));
        assert_eq!(v1.usage_us, None);
        assert_eq!(v2.throttling, v1.throttling);
        let throttling = v2.throttling.unwrap();
        assert_eq!((throttling.throttled_ns, throttling.burst_ns), (9_000, Some(2_000)));
    }

    #[test]
    fn a_group_without_the_controller_has_no_throttling() {
        assert_eq!(read("usage_usec 7\nuser_usec 5\nsystem_usec 2\n").unwrap().throttling, None);
    }

    #[test]
    fn a_file_without_a_known_line_or_with_a_broken_one_is_refused() {
        for wrong in ["", "x 1\n", "usage_usec\n", "usage_usec -1\n", "usage_usec 12", "throttled_usec 18446744073709551615\n"] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
