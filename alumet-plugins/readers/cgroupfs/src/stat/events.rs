//! `memory.events` and `cgroup.events`.

use crate::ParseError;
use crate::keyed::Keyed;

/// How often the memory limits of a control group and its descendants acted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryEvents {
    /// Reclaims although the usage was below `memory.low`.
    pub low: u64,
    /// Times that `memory.high` throttled.
    pub high: u64,
    /// Times that the usage was about to exceed `memory.max`.
    pub max: u64,
    /// Times that the usage stayed at the limit and an allocation was about to fail.
    pub oom: u64,
    /// Processes killed for lack of memory, since Linux 4.13.
    pub oom_kill: Option<u64>,
    /// Times that the whole group was killed, since Linux 5.17.
    pub oom_group_kill: Option<u64>,
}

/// The state of a control group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CgroupEvents {
    /// Whether it or a descendant has live processes.
    pub populated: bool,
    /// Whether it is frozen, since Linux 5.2.
    pub frozen: Option<bool>,
}

/// Parses `memory.events`.
///
/// # Errors
/// When one of `low`, `high`, `max` and `oom` is missing or a known line is malformed.
pub fn parse_memory(bytes: &[u8], out: &mut MemoryEvents) -> Result<(), ParseError> {
    *out = MemoryEvents::default();
    let mut required = 0;
    for entry in Keyed::of(bytes) {
        let value = entry
            .value
            .ok_or(ParseError::at(entry.line, "a number is expected after the key"));
        let place = match entry.key {
            b"low" => &mut out.low,
            b"high" => &mut out.high,
            b"max" => &mut out.max,
            b"oom" => &mut out.oom,
            b"oom_kill" => {
                out.oom_kill = Some(value?);
                continue;
            }
            b"oom_group_kill" => {
                out.oom_group_kill = Some(value?);
                continue;
            }
            _ => continue,
        };
        *place = value?;
        required += 1;
    }
    if required < 4 {
        return Err(ParseError::whole("`low`, `high`, `max` and `oom` are expected"));
    }
    Ok(())
}

/// Parses `cgroup.events`.
///
/// # Errors
/// When `populated` is missing or a known line is neither 0 nor 1.
pub fn parse_cgroup(bytes: &[u8], out: &mut CgroupEvents) -> Result<(), ParseError> {
    let (mut populated, mut frozen) = (None, None);
    for entry in Keyed::of(bytes) {
        let place = match entry.key {
            b"populated" => &mut populated,
            b"frozen" => &mut frozen,
            _ => continue,
        };
        *place = match entry.value {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => return Err(ParseError::at(entry.line, "0 or 1 is expected after the key")),
        };
    }
    let populated = populated.ok_or(ParseError::whole("`populated` is expected"))?;
    *out = CgroupEvents { populated, frozen };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_older_kernel_does_not_count_is_absent() {
        let mut events = MemoryEvents::default();
        parse_memory(b"low 1\nhigh 2\nmax 3\noom 4\n", &mut events).unwrap();
        assert_eq!((events.low, events.high, events.max, events.oom), (1, 2, 3, 4));
        assert_eq!(events.oom_kill, None);
        parse_memory(
            b"low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 6\n",
            &mut events,
        )
        .unwrap();
        assert_eq!((events.oom_kill, events.oom_group_kill), (Some(5), Some(6)));
        assert!(parse_memory(b"low 1\nhigh 2\nmax 3\noom 4", &mut events).is_err());
    }

    #[test]
    fn a_state_is_zero_or_one() {
        let mut events = CgroupEvents::default();
        parse_cgroup(b"populated 1\nfrozen 0\n", &mut events).unwrap();
        assert_eq!((events.populated, events.frozen), (true, Some(false)));
        parse_cgroup(b"populated 0\n", &mut events).unwrap();
        assert_eq!((events.populated, events.frozen), (false, None));
        for wrong in ["", "frozen 0\n", "populated 2\n", "populated 1"] {
            assert!(parse_cgroup(wrong.as_bytes(), &mut events).is_err(), "{wrong:?}");
        }
    }
}
