//! `cpu.stat` of both versions: CPU time (v2 only) and throttling.

use crate::ParseError;
use crate::keyed::Keyed;

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
    parse_until(bytes, out, |_| false)
}

/// Parses only the CPU time: stops when all three of its lines were seen, and has no throttling.
///
/// # Errors
/// Like [`parse`], as far as the file is read.
pub fn parse_time(bytes: &[u8], out: &mut CpuStat) -> Result<(), ParseError> {
    parse_until(bytes, out, |stat| {
        stat.system_us.is_some() && stat.user_us.is_some() && stat.usage_us.is_some()
    })?;
    out.throttling = None;
    Ok(())
}

#[inline]
fn parse_until(
    bytes: &[u8],
    out: &mut CpuStat,
    is_enough: impl Fn(&CpuStat) -> bool,
) -> Result<(), ParseError> {
    *out = CpuStat::default();
    let mut throttling = Throttling::default();
    let (mut known, mut throttling_known) = (0, 0);
    for entry in Keyed::of(bytes) {
        let value = || {
            entry
                .value
                .ok_or(ParseError::at(entry.line, "a number is expected after the key"))
        };
        let ns = || {
            value()?
                .checked_mul(1_000)
                .ok_or(ParseError::at(entry.line, "fewer microseconds are expected"))
        };
        // By length first: most of the keys have one of their own, and comparing a few is most of the work.
        match (entry.key.len(), entry.key) {
            (10, b"usage_usec") => out.usage_us = Some(value()?),
            (9, b"user_usec") => out.user_us = Some(value()?),
            (11, b"system_usec") => out.system_us = Some(value()?),
            (10, b"nr_periods") => {
                throttling.periods = value()?;
                throttling_known += 1;
            }
            (12, b"nr_throttled") => {
                throttling.throttled_periods = value()?;
                throttling_known += 1;
            }
            (14, b"throttled_usec") => {
                throttling.throttled_ns = ns()?;
                throttling_known += 1;
            }
            (14, b"throttled_time") => {
                throttling.throttled_ns = value()?;
                throttling_known += 1;
            }
            (9, b"nr_bursts") => throttling.bursts = Some(value()?),
            (10, b"burst_usec") => throttling.burst_ns = Some(ns()?),
            (10, b"burst_time") => throttling.burst_ns = Some(value()?),
            _ => continue,
        }
        known += 1;
        if is_enough(out) {
            break;
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
        assert_eq!(
            (v2.usage_us, v2.user_us, v2.system_us),
            (Some(7), Some(5), Some(2))
        );
        assert_eq!(v1.usage_us, None);
        assert_eq!(v2.throttling, v1.throttling);
        let throttling = v2.throttling.unwrap();
        assert_eq!(
            (throttling.throttled_ns, throttling.burst_ns),
            (9_000, Some(2_000))
        );
    }

    #[test]
    fn the_time_alone_is_read_in_any_order_and_nothing_after_it() {
        let mut stat = CpuStat::default();
        let text = "nr_periods 1\nsystem_usec 2\nuser_usec 5\nusage_usec 7\nnr_throttled broken\n";
        parse_time(text.as_bytes(), &mut stat).unwrap();
        assert_eq!(
            (stat.usage_us, stat.user_us, stat.system_us, stat.throttling),
            (Some(7), Some(5), Some(2), None)
        );
        assert!(parse_time(b"usage_usec 7\nuser_usec x\n", &mut stat).is_err());
    }

    #[test]
    fn a_group_without_the_controller_has_no_throttling() {
        assert_eq!(
            read("usage_usec 7\nuser_usec 5\nsystem_usec 2\n")
                .unwrap()
                .throttling,
            None
        );
    }

    #[test]
    fn a_file_without_a_known_line_or_with_a_broken_one_is_refused() {
        for wrong in [
            "",
            "x 1\n",
            "usage_usec\n",
            "usage_usec -1\n",
            "usage_usec 12",
            "throttled_usec 18446744073709551615\n",
        ] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
