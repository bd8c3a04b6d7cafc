//! `cpu.stat` of both versions: CPU time (v2 only) and throttling.

use crate::keyed::Keyed;
use crate::{ParseError, Parsed};

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
}

/// Parses `cpu.stat`. What is not there, or is no count, is `None`.
///
/// # Errors
/// When no known line is sound.
pub fn parse(bytes: &[u8], out: &mut CpuStat) -> Parsed {
    parse_until(bytes, out, |_| false)
}

/// Parses only the CPU time: stops when all three of its lines were seen, and has no throttling.
///
/// # Errors
/// Like [`parse`], as far as the file is read.
pub fn parse_time(bytes: &[u8], out: &mut CpuStat) -> Parsed {
    let parsed = parse_until(bytes, out, |stat| {
        stat.system_us.is_some() && stat.user_us.is_some() && stat.usage_us.is_some()
    });
    out.throttling = None;
    parsed
}

#[inline]
fn parse_until(bytes: &[u8], out: &mut CpuStat, is_enough: impl Fn(&CpuStat) -> bool) -> Parsed {
    *out = CpuStat::default();
    let (mut periods, mut throttled_periods, mut throttled_ns) = (None, None, None);
    let (mut known, mut odd) = (0, None);
    for entry in Keyed::of(bytes) {
        // By length first: most of the keys have one of their own, and comparing a few is most of the work.
        let place = match (entry.key.len(), entry.key) {
            (10, b"usage_usec") => &mut out.usage_us,
            (9, b"user_usec") => &mut out.user_us,
            (11, b"system_usec") => &mut out.system_us,
            (10, b"nr_periods") => &mut periods,
            (12, b"nr_throttled") => &mut throttled_periods,
            (14, b"throttled_usec" | b"throttled_time") => &mut throttled_ns,
            _ => continue,
        };
        *place = entry.value;
        if entry.key == b"throttled_usec" {
            *place = entry.value.map(|us| us.saturating_mul(1_000));
        }
        match entry.value {
            Some(_) => known += 1,
            None => odd = odd.or_else(|| entry.odd()),
        }
        if is_enough(out) {
            break;
        }
    }
    if known == 0 {
        return Err(odd.unwrap_or(ParseError::whole("`usage_usec` or `nr_periods` is expected")));
    }
    // Fewer than three: the file was cut short among them.
    if let (Some(periods), Some(throttled_periods), Some(throttled_ns)) =
        (periods, throttled_periods, throttled_ns)
    {
        out.throttling = Some(Throttling {
            periods,
            throttled_periods,
            throttled_ns,
        });
    }
    Ok(odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<CpuStat, ParseError> {
        let mut stat = CpuStat::default();
        parse(text.as_bytes(), &mut stat).map(|_| stat)
    }

    #[test]
    fn both_versions_give_throttled_time_in_nanoseconds() {
        let v2 = "usage_usec 7\nuser_usec 5\nsystem_usec 2\nnice_usec 1\nnr_periods 4\nnr_throttled 3\n\
                  throttled_usec 9\nnr_bursts 1\nburst_usec x\n";
        let v1 = "nr_periods 4\nnr_throttled 3\nthrottled_time 9000\n";
        let (v2, v1) = (read(v2).unwrap(), read(v1).unwrap());
        assert_eq!(
            (v2.usage_us, v2.user_us, v2.system_us),
            (Some(7), Some(5), Some(2))
        );
        assert_eq!(v1.usage_us, None);
        assert_eq!(v2.throttling, v1.throttling);
        assert_eq!(v2.throttling.unwrap().throttled_ns, 9_000);
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
    fn an_odd_line_takes_only_itself_away() {
        for parse in [parse, parse_time] {
            let mut stat = CpuStat::default();
            let odd = parse(b"usage_usec 7\nuser_usec -5\nsystem_usec 2", &mut stat).unwrap();
            assert_eq!(odd.unwrap().line, Some(2));
            assert_eq!(
                (stat.usage_us, stat.user_us, stat.system_us),
                (Some(7), None, None)
            );
        }
    }

    #[test]
    fn a_file_without_a_sound_line_is_refused() {
        for wrong in ["", "x 1\n", "usage_usec\n", "usage_usec -1\n", "usage_usec 12"] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
