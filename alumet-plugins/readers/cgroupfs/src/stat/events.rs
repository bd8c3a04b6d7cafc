//! `memory.events` of version 2: how often the memory limits of a control group and its descendants acted since it was made.

use crate::keyed::Keyed;
use crate::{ParseError, Parsed};

/// The events, in the order of [`parse`]: `oom_kill` since Linux 4.13.
pub const KEYS: [&str; 5] = ["low", "high", "max", "oom", "oom_kill"];

/// Parses `memory.events` into the counts of the [`KEYS`]; what is not there, or is no count, becomes `None`.
///
/// # Errors
/// When none of them is sound.
pub fn parse(bytes: &[u8], out: &mut [Option<u64>]) -> Parsed {
    out.fill(None);
    let mut odd = None;
    for entry in Keyed::of(bytes) {
        let place = KEYS.iter().position(|key| key.as_bytes() == entry.key);
        if let Some(count) = place.and_then(|place| out.get_mut(place)) {
            *count = entry.value;
            odd = odd.or_else(|| entry.odd());
        }
    }
    if out.iter().all(Option::is_none) {
        return Err(ParseError::whole("`low`, `high`, `max` and `oom` are expected"));
    }
    Ok(odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_older_kernel_does_not_count_or_is_odd_is_absent() {
        let mut events = [Some(9); 5];
        assert_eq!(parse(b"low 1\nhigh 2\nmax 3\noom 4\n", &mut events), Ok(None));
        assert_eq!(events, [Some(1), Some(2), Some(3), Some(4), None]);
        let odd = parse(
            b"low 1\nhigh -2\nmax 3\noom_group_kill x\noom_kill 5",
            &mut events,
        )
        .unwrap();
        assert_eq!(events, [Some(1), None, Some(3), None, None]);
        assert_eq!(odd.unwrap().line, Some(2));
        assert!(parse(b"", &mut events).is_err());
    }
}
