//! In which order the batches of an instance come.

/// The numbers that an instance may use next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sequence {
    next: u64,
}

/// What a batch or a gap is to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is what comes next.
    New,
    /// It came before, in this session or an earlier one.
    Duplicate,
}

/// A batch or a gap has a number that cannot come now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "number {found} came, but {expected} is expected; send every batch in its order, or say which are lost"
)]
pub(crate) struct Unexpected {
    pub(crate) found: u64,
    pub(crate) expected: u64,
}

impl Sequence {
    /// At the beginning of a session: the client goes on after the last batch that is `stored` durably or was `received`
    /// at all, or later if its first one, `offered`, is later: what is missing went to another server or was lost here.
    pub(crate) fn begin(stored: u64, received: u64, offered: u64) -> Self {
        Self {
            next: stored.max(received).saturating_add(1).max(offered),
        }
    }

    /// What the batches from `first` to `last` are.
    pub(crate) const fn judge(self, first: u64, last: u64) -> Result<Verdict, Unexpected> {
        let expected = self.next;
        if first == 0 || first > last || first > expected || last == u64::MAX {
            return Err(Unexpected {
                found: first,
                expected,
            });
        }
        Ok(if last < expected {
            Verdict::Duplicate
        } else {
            Verdict::New
        })
    }

    /// Everything up to `last` was received.
    pub(crate) const fn received(&mut self, last: u64) {
        self.next = last.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_goes_on_after_what_is_there_or_where_the_client_begins() {
        for (stored, received, offered, next) in [
            (0, 0, 1, 1),
            (0, 0, 0, 1),
            (9, 0, 5, 10),
            (9, 12, 5, 13),
            (9, 12, 40, 40),
            (u64::MAX, 0, 1, u64::MAX),
        ] {
            assert_eq!(Sequence::begin(stored, received, offered), Sequence { next });
        }
    }

    #[test]
    fn only_the_next_number_is_new_and_only_earlier_ones_are_duplicates() {
        let sequence = Sequence { next: 10 };
        assert_eq!(sequence.judge(10, 10), Ok(Verdict::New));
        assert_eq!(sequence.judge(9, 9), Ok(Verdict::Duplicate));
        assert_eq!(sequence.judge(1, 9), Ok(Verdict::Duplicate));
        // A gap of which a part is known.
        assert_eq!(sequence.judge(5, 20), Ok(Verdict::New));
        for (first, last) in [(11, 11), (0, 0), (10, 9), (10, u64::MAX)] {
            let unexpected = sequence.judge(first, last).unwrap_err();
            assert_eq!(unexpected.expected, 10);
        }
    }

    #[test]
    fn what_was_received_is_not_new_again() {
        let mut sequence = Sequence::begin(0, 0, 1);
        sequence.received(7);
        assert_eq!(sequence.judge(7, 7), Ok(Verdict::Duplicate));
        assert_eq!(sequence.judge(8, 8), Ok(Verdict::New));
    }
}
