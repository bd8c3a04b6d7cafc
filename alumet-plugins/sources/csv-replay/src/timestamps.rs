//! Which time the samples of a row have.

use alumet_core::Timestamp;

use crate::config::TimestampMode;

/// Gives rows their time.
#[derive(Debug)]
pub(crate) struct Timestamps {
    mode: TimestampMode,
    /// The pass that is shifted, and by how many nanoseconds.
    pass: Option<(u64, i64)>,
    /// The latest time of all passes.
    latest: i64,
}

impl Timestamps {
    pub(crate) const fn new(mode: TimestampMode) -> Self {
        Self {
            mode,
            pass: None,
            latest: i64::MIN,
        }
    }

    /// The time of a row that was due at `due`; `own` is its own, in nanoseconds since 1970.
    pub(crate) fn of_row(&mut self, due: Timestamp, own: Option<i64>, pass: u64) -> Timestamp {
        let Some(own) = own else { return due };
        match self.mode {
            TimestampMode::Now => due,
            TimestampMode::Original => Timestamp::from_nanos(own),
            TimestampMode::Shift => {
                let offset = match self.pass {
                    Some((present, offset)) if present == pass => offset,
                    _ => {
                        let begin = due.as_nanos().max(self.latest.saturating_add(1));
                        begin.saturating_sub(own)
                    }
                };
                self.pass = Some((pass, offset));
                let shifted = own.saturating_add(offset);
                self.latest = self.latest.max(shifted);
                Timestamp::from_nanos(shifted)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifted_passes_keep_their_spacing_and_never_overlap() {
        let mut timestamps = Timestamps::new(TimestampMode::Shift);
        let mut at = |due, own, pass| {
            let due = Timestamp::from_nanos(due);
            timestamps.of_row(due, Some(own), pass).as_nanos()
        };
        assert_eq!([at(1000, 5, 0), at(1010, 105, 0)], [1000, 1100]);
        assert_eq!([at(1020, 5, 1), at(1030, 7, 1)], [1101, 1103]);
        assert_eq!(at(5000, 5, 2), 5000);
    }
}
