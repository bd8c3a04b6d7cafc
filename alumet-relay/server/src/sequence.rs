//! In which order the batches of an instance come.

use crate::refusal::Refusal;
use crate::session::wrong;

/// The numbers that an instance may use next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sequence {
    next: u64,
}

impl Sequence {
    /// At the beginning of a session: the client goes on after the last batch that is `stored` durably or was `received`
    /// at all, or later if its first one, `offered`, is later: what is missing went to another server or was lost here.
    pub(crate) fn begin(stored: u64, received: u64, offered: u64) -> Self {
        Self {
            next: stored.max(received).saturating_add(1).max(offered),
        }
    }

    /// Whether the batches from `first` to `last`, before which the client has `previous`, are what comes next; otherwise
    /// they came before, in this session or an earlier one.
    ///
    /// A client leaves numbers out that it has never used, for instance after a crash; `previous` tells that from a loss.
    ///
    /// # Errors
    /// When something before them is missing, or the numbers make no sense.
    pub(crate) fn is_new(self, previous: u64, first: u64, last: u64) -> Result<bool, Refusal> {
        if first == 0 || first > last || previous >= last || last == u64::MAX {
            return Err(wrong(format!(
                "the numbers {first} to {last} after {previous} make no sense; they begin with 1 and rise"
            )));
        }
        if last >= self.next && previous >= self.next {
            let received = self.next.saturating_sub(1);
            return Err(wrong(format!(
                "{first} came, which follows {previous}, but {received} is the last that came before; send every batch in its \
                 order, or say which are lost"
            )));
        }
        Ok(last >= self.next)
    }

    /// Whether that number came before: if it is taken again, it is because what was stored is damaged.
    pub(crate) const fn has(self, last: u64) -> bool {
        last < self.next
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
        assert_eq!(sequence.is_new(9, 10, 10), Ok(true));
        // Numbers that were never used, and a client that has forgotten what was before.
        assert_eq!(sequence.is_new(9, 1000, 1000), Ok(true));
        assert_eq!(sequence.is_new(0, 1000, 1000), Ok(true));
        assert_eq!(sequence.is_new(8, 9, 9), Ok(false));
        assert_eq!(sequence.is_new(0, 1, 9), Ok(false));
        // A gap of which a part is known.
        assert_eq!(sequence.is_new(9, 5, 20), Ok(true));
        let hole = sequence.is_new(10, 11, 11).unwrap_err().message;
        assert!(
            hole.starts_with("11 came, which follows 10, but 9 is the last"),
            "{hole}"
        );
        for (previous, first, last) in [(0, 0, 0), (0, 10, 9), (9, 10, u64::MAX), (12, 12, 12)] {
            let refusal = sequence.is_new(previous, first, last).unwrap_err();
            assert!(refusal.message.contains("make no sense"), "{refusal}");
        }
    }

    #[test]
    fn what_was_received_is_not_new_again() {
        let mut sequence = Sequence::begin(0, 0, 1);
        sequence.received(7);
        assert_eq!(sequence.is_new(6, 7, 7), Ok(false));
        assert_eq!(sequence.is_new(7, 8, 8), Ok(true));
    }
}
