//! Records that are gone before every output had them.

use alumet_core::spool::{Gap, GapReason};
use alumet_core::time::Timestamp;

use super::Mark;

/// Some consecutive records that are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Loss {
    /// The end of what comes before.
    pub(crate) begin: Mark,
    /// The end of the last lost record.
    pub(crate) end: Mark,
    /// The first and the last timestamp in them.
    pub(crate) time: Option<(Timestamp, Timestamp)>,
    pub(crate) reason: GapReason,
}

impl Loss {
    /// What of it comes after `from`.
    pub(crate) fn gap(&self, from: Mark) -> Gap {
        let from = from.max(self.begin);
        Gap {
            first: from.sequence + 1,
            last: self.end.sequence,
            samples: self.end.samples.saturating_sub(from.samples),
            time: self.time,
            reason: self.reason,
        }
    }
}

/// All losses that some output has still to hear of, in order, without overlap.
#[derive(Debug, Default)]
pub(crate) struct Losses(Vec<Loss>);

impl Losses {
    /// Adds what of a loss is not known yet, and joins it with one of the same reason right before or after it.
    pub(crate) fn insert(&mut self, loss: Loss) {
        let index = self
            .0
            .partition_point(|known| known.end.sequence <= loss.begin.sequence);
        let known = self.0.get(index).copied();
        if let Some(known) = known.filter(|known| known.begin.sequence < loss.end.sequence) {
            if loss.begin.sequence < known.begin.sequence {
                self.insert(Loss {
                    end: known.begin,
                    ..loss
                });
            }
            if known.end.sequence < loss.end.sequence {
                self.insert(Loss {
                    begin: known.end,
                    ..loss
                });
            }
            return;
        }
        self.0.insert(index, loss);
        self.join(index);
        if index > 0 {
            self.join(index - 1);
        }
    }

    /// Joins the loss at `index` with the next one if they belong together.
    fn join(&mut self, index: usize) {
        let (Some(first), Some(second)) = (self.0.get(index), self.0.get(index + 1)) else {
            return;
        };
        if first.reason != second.reason || first.end.sequence != second.begin.sequence {
            return;
        }
        let joined = Loss {
            end: second.end,
            time: join_times(first.time, second.time),
            ..*first
        };
        self.0[index] = joined;
        self.0.remove(index + 1);
    }

    /// The first loss that does not end before or at `sequence`.
    pub(crate) fn after(&self, sequence: u64) -> Option<&Loss> {
        self.0
            .get(self.0.partition_point(|loss| loss.end.sequence <= sequence))
    }

    /// The last end that is not after `sequence`.
    pub(crate) fn last_end(&self, sequence: u64) -> Option<Mark> {
        let ended = self.0.partition_point(|loss| loss.end.sequence <= sequence);
        self.0[..ended].last().map(|loss| loss.end)
    }

    /// Forgets what ends before or at `sequence`; says whether there was any.
    pub(crate) fn forget(&mut self, sequence: u64) -> bool {
        let ended = self.0.partition_point(|loss| loss.end.sequence <= sequence);
        self.0.drain(..ended);
        ended > 0
    }

    pub(crate) fn all(&self) -> &[Loss] {
        &self.0
    }
}

/// From the first to the last of all.
fn join_times(
    one: Option<(Timestamp, Timestamp)>,
    other: Option<(Timestamp, Timestamp)>,
) -> Option<(Timestamp, Timestamp)> {
    match (one, other) {
        (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(begin: u64, end: u64, reason: GapReason) -> Loss {
        let time = |sequence: u64| Timestamp::from_nanos(sequence as i64);
        Loss {
            begin: Mark::after(begin),
            end: Mark::after(end),
            time: Some((time(begin + 1), time(end))),
            reason,
        }
    }

    #[test]
    fn neighbours_of_the_same_reason_become_one() {
        let mut losses = Losses::default();
        losses.insert(loss(5, 7, GapReason::Full));
        losses.insert(loss(2, 4, GapReason::Full));
        losses.insert(loss(4, 5, GapReason::Full));
        losses.insert(loss(7, 8, GapReason::Expired));
        assert_eq!(
            losses.all(),
            [loss(2, 7, GapReason::Full), loss(7, 8, GapReason::Expired)]
        );
        losses.insert(loss(3, 4, GapReason::Damaged));
        assert_eq!(losses.all().len(), 2, "what is lost is lost once");
        losses.insert(loss(1, 9, GapReason::Full));
        let all = losses.all().iter();
        let all: Vec<_> = all
            .map(|one| (one.begin.sequence, one.end.sequence, one.reason))
            .collect();
        let (full, expired) = (GapReason::Full, GapReason::Expired);
        assert_eq!(all, [(1, 7, full), (7, 8, expired), (8, 9, full)]);
    }

    #[test]
    fn an_output_in_the_middle_hears_only_of_the_rest() {
        let gap = loss(2, 7, GapReason::Full).gap(Mark::after(4));
        assert_eq!((gap.first, gap.last, gap.samples), (5, 7, 30));
        let gap = loss(2, 7, GapReason::Full).gap(Mark::after(1));
        assert_eq!((gap.first, gap.last, gap.samples), (3, 7, 50));
    }

    #[test]
    fn what_every_output_has_passed_is_forgotten() {
        let mut losses = Losses::default();
        losses.insert(loss(2, 4, GapReason::Full));
        losses.insert(loss(6, 8, GapReason::Full));
        assert_eq!(losses.last_end(7), Some(Mark::after(4)));
        assert!(losses.forget(4));
        assert_eq!(losses.after(0).map(|loss| loss.end), Some(Mark::after(8)));
        assert!(!losses.forget(7));
    }
}
