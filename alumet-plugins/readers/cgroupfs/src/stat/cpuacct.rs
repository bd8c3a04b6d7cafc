//! `cpuacct.stat` of version 1: CPU time in user and kernel mode, in clock ticks. (`cpuacct.usage`, the total in
//! nanoseconds, is one number, see [`super::single`].)

use crate::ParseError;
use crate::keyed::Keyed;

/// One reading of `cpuacct.stat`, in ticks of `USER_HZ` (10 ms).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuAcctStat {
    /// In user mode.
    pub user_ticks: u64,
    /// In kernel mode.
    pub system_ticks: u64,
}

/// Parses `cpuacct.stat`.
///
/// # Errors
/// When one of the two lines is missing or malformed.
pub fn parse(bytes: &[u8], out: &mut CpuAcctStat) -> Result<(), ParseError> {
    let (mut user, mut system) = (None, None);
    for entry in Keyed::of(bytes) {
        match entry.key {
            b"user" => user = entry.value,
            b"system" => system = entry.value,
            _ => {}
        }
    }
    match (user, system) {
        (Some(user_ticks), Some(system_ticks)) => {
            *out = CpuAcctStat {
                user_ticks,
                system_ticks,
            };
            Ok(())
        }
        _ => Err(ParseError::whole(
            "`user` and `system` are expected, each with a number",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lines_are_needed() {
        let mut stat = CpuAcctStat::default();
        parse(b"user 341540\nsystem 313953\n", &mut stat).unwrap();
        assert_eq!((stat.user_ticks, stat.system_ticks), (341_540, 313_953));
        for wrong in ["", "user 1\n", "user 1\nsystem 2", "user x\nsystem 1\n"] {
            assert!(parse(wrong.as_bytes(), &mut stat).is_err(), "{wrong:?}");
        }
    }
}
