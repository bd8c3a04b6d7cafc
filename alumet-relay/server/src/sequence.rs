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
pub(crate) enum Unexpected {
    /// Something before it is missing.
    #[error(
        "{found} came, which follows {previous}, but {received} is the last that came before; send every batch in its \
         order, or say which are lost"
    )]
    Hole {
        found: u64,
        previous: u64,
        received: u64,
    },
    /// It makes no sense.
    #[error("the numbers {first} to {last} after {previous} make no sense; they begin with 1 and rise")]
    Nonsense { first: u64, last: u64, previous: u64 },
}

impl Sequence {
    /// At the beginning of a session: the client goes on after the last batch that is `stored` durably or was `received`
    /// at all, or later if its first one, `offered`, is later: what is missing went to another server or was lost here.
    pub(crate) fn begin(stored: u64, received: u64, offered: u64) -> Self {
        Self {
            next: stored.max(received).saturating_add(1).max(offered),
        }
    }

    /// What the batches from `first` to `last` are, before which the client has `previous`.
    ///
    /// A client leaves numbers out that it has never used, for instance after a crash; `previous` tells that from a loss.
    pub(crate) const fn judge(self, previous: u64, first: u64, last: u64) -> Result<Verdict, Unexpected> {
        if first == 0 || first > last || previous >= last || last == u64::MAX {
            return Err(Unexpected::Nonsense {
                first,
                last,
                previous,
            });
        }
        if last < self.next {
            return Ok(Verdict::Duplicate);
        }
        if previous >= self.next {
            return Err(Unexpected::Hole {
                found: first,
                previous,
                received: self.next.saturating_sub(1),
            });
        }
        Ok(Verdict::New)
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
    fn what_follows_something_that_has_not_come_is_refused() {
        let sequence = Sequence { next: 10 };
        assert_eq!(sequence.judge(9, 10, 10), Ok(Verdict::New));
        // Numbers that were never used, and a client that has forgotten what was before.
        assert_eq!(sequence.judge(9, 1000, 1000), Ok(Verdict::New));
        assert_eq!(sequence.judge(0, 1000, 1000), Ok(Verdict::New));
        assert_eq!(sequence.judge(8, 9, 9), Ok(Verdict::Duplicate));
        assert_eq!(sequence.judge(0, 1, 9), Ok(Verdict::Duplicate));
        // A gap of which a part is known.
        assert_eq!(sequence.judge(9, 5, 20), Ok(Verdict::New));
        assert_eq!(
            sequence.judge(10, 11, 11),
            Err(Unexpected::Hole {
                found: 11,
                previous: 10,
                received: 9
            })
        );
        for (previous, first, last) in [(0, 0, 0), (0, 10, 9), (9, 10, u64::MAX), (12, 12, 12)] {
            let unexpected = sequence.judge(previous, first, last).unwrap_err();
            assert!(matches!(unexpected, Unexpected::Nonsense { .. }));
        }
    }

    #[test]
    fn what_was_received_is_not_new_again() {
        let mut sequence = Sequence::begin(0, 0, 1);
        sequence.received(7);
        assert_eq!(sequence.judge(6, 7, 7), Ok(Verdict::Duplicate));
        assert_eq!(sequence.judge(7, 8, 8), Ok(Verdict::New));
    }
}
