//! `cpu.stat` of both versions: CPU time (v2 only) and throttling (where the `cpu` controller is enabled).

use crate::keyed::Keyed;
use crate::{ParseError, Parsed};

/// CPU time in all, in user and in kernel mode; enforcement periods of the bandwidth limit, those in which the control
/// group was throttled, and how long it was, all its CPUs together. Times are in nanoseconds. What is not there, or is no
/// count, is `None`.
pub type CpuStat = [Option<u64>; 6];

/// Parses `cpu.stat`. Without throttling it stops when all CPU time was seen.
///
/// # Errors
/// When no known line is sound, as far as the file is read.
pub fn parse(bytes: &[u8], with_throttling: bool, out: &mut CpuStat) -> Parsed {
    out.fill(None);
    let mut odd = None;
    for entry in Keyed::of(bytes) {
        // By length first: most of the keys have one of their own, and comparing a few is most of the work.
        let (place, unit_ns) = match (entry.key.len(), entry.key) {
            (10, b"usage_usec") => (0, 1_000),
            (9, b"user_usec") => (1, 1_000),
            (11, b"system_usec") => (2, 1_000),
            (10, b"nr_periods") => (3, 1),
            (12, b"nr_throttled") => (4, 1),
            (14, b"throttled_usec") => (5, 1_000),
            (14, b"throttled_time") => (5, 1),
            _ => continue,
        };
        out[place] = entry.value.map(|value| value.saturating_mul(unit_ns));
        odd = odd.or_else(|| entry.odd());
        if !with_throttling && out[..3].iter().all(Option::is_some) {
            break;
        }
    }
    if out.iter().all(Option::is_none) {
        return Err(odd.unwrap_or(ParseError::whole("`usage_usec` or `nr_periods` is expected")));
    }
    if !with_throttling {
        out[3..].fill(None);
    }
    Ok(odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, with_throttling: bool) -> Result<CpuStat, ParseError> {
        let mut stat = [Some(1); 6];
        parse(text.as_bytes(), with_throttling, &mut stat).map(|_| stat)
    }

    #[test]
    fn both_versions_give_throttled_time_in_nanoseconds() {
        let v2 = "usage_usec 7\nuser_usec 5\nsystem_usec 2\nnice_usec 1\nnr_periods 4\nnr_throttled 3\n\
                  throttled_usec 9\nnr_bursts 1\nburst_usec x\n";
        let v1 = "nr_periods 4\nnr_throttled 3\nthrottled_time 9000\n";
        let (v2, v1) = (read(v2, true).unwrap(), read(v1, true).unwrap());
        assert_eq!(v2, [7_000, 5_000, 2_000, 4, 3, 9_000].map(Some));
        assert_eq!((&v1[..3], &v1[3..]), (&[None; 3][..], &v2[3..]));
    }

    #[test]
    fn the_time_alone_is_read_in_any_order_and_nothing_after_it() {
        let text = "nr_periods 1\nsystem_usec 2\nuser_usec 5\nusage_usec 7\nnr_throttled broken\n";
        let mut stat = CpuStat::default();
        assert_eq!(parse(text.as_bytes(), false, &mut stat), Ok(None));
        assert_eq!(stat, [Some(7_000), Some(5_000), Some(2_000), None, None, None]);
    }

    #[test]
    fn a_group_without_the_controller_has_no_throttling() {
        let stat = read("usage_usec 7\nuser_usec 5\nsystem_usec 2\n", true).unwrap();
        assert_eq!(stat[3..], [None; 3]);
    }

    #[test]
    fn an_odd_line_takes_only_itself_away() {
        for with_throttling in [true, false] {
            let mut stat = CpuStat::default();
            let odd = parse(
                b"usage_usec 7\nuser_usec -5\nsystem_usec 2",
                with_throttling,
                &mut stat,
            );
            assert_eq!(odd.unwrap().unwrap().line, Some(2));
            assert_eq!(stat[..3], [Some(7_000), None, None]);
        }
    }

    #[test]
    fn a_file_without_a_sound_line_is_refused() {
        for wrong in ["", "x 1\n", "usage_usec\n", "usage_usec -1\n", "usage_usec 12"] {
            assert!(read(wrong, true).is_err(), "{wrong:?}");
        }
    }
}
