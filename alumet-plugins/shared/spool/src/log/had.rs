//! What one output has and another does not: a batch whose record was damaged in between comes again for the other alone.

use alumet_core::spool::Origin;

use super::cursor::Cursor;
use super::state::State;
use crate::record::{Damaged, Had, Loss, Unwritten};

impl State {
    /// What was damaged is wanted, but for what every output was given. Those that were given it do not need it again.
    pub(super) fn want(&mut self, loss: &Loss) {
        let cursors = self.cursors.iter();
        let mut given: Vec<_> = cursors
            .map(|(output, cursor)| (output.clone(), cursor.next.sequence))
            .collect();
        let by_all = given.iter().map(|(_, up_to)| *up_to).min();
        let first = loss.begin.sequence.max(by_all.unwrap_or(0)) + 1;
        let last = loss.end.sequence;
        given.retain(|(_, up_to)| *up_to >= first);
        self.unwritten.damaged.push(Damaged { first, last, given });
        // It had come again already.
        for had in &mut self.had {
            if had.again.is_some_and(|again| (first..=last).contains(&again)) {
                had.again = None;
                self.unwritten.had.push(had.clone());
            }
        }
    }

    /// A batch that was wanted comes again with that record, or without samples.
    pub(super) fn come_again(&mut self, origin: Origin, record: Option<u64>) {
        for had in &mut self.had {
            if had.is_of(origin.instance, origin.sequence) {
                had.again = record;
                self.unwritten.had.push(had.clone());
            }
        }
        self.unwritten.brought.push((origin.instance, origin.sequence));
    }

    /// An output goes back to what it was done with, or does not follow any more: it does not have what came after.
    pub(crate) fn go_back(&mut self, output: &str) {
        let done = self.cursors.get_mut(output).map_or(0, Cursor::go_back);
        let back = (output.to_owned(), done);
        self.had.retain(|had| !had.is_undone(&back));
        self.unwritten.add(Unwritten {
            went_back: vec![back],
            ..Unwritten::default()
        });
    }

    /// Takes what outputs have of what is wanted now, unless they went back meanwhile.
    pub(super) fn add_had(&mut self, had: Vec<Had>) {
        self.had.extend(had);
        let (back, changed) = (&self.unwritten.went_back, &self.unwritten.had);
        self.had.retain(|had| {
            let comes = self.wanted.has(had.sender, had.sequence);
            let is_needed = had.again.is_some() || comes || changed.contains(had);
            is_needed && !back.iter().any(|back| had.is_undone(back))
        });
    }

    /// Forgets what outputs have that are done with it for good.
    pub(super) fn forget_had(&mut self) {
        let cursors = &self.cursors;
        self.had.retain(|had| {
            let done = cursors.get(&had.output).map(|cursor| cursor.done.sequence);
            done.is_some_and(|done| had.again.is_none_or(|again| again > done))
        });
    }
}

#[cfg(test)]
mod tests {
    use alumet_core::spool::{GapReason, InstanceId};
    use alumet_core::time::Timestamp;

    use super::*;
    use crate::record::{Mark, Outcome, WantedBatch};

    const SENDER: InstanceId = InstanceId([2; 16]);

    fn had_by_ahead(again: Option<u64>) -> Had {
        Had {
            output: "ahead".to_owned(),
            sender: SENDER,
            sequence: 7,
            record: 5,
            again,
        }
    }

    /// One output was given ten records, of which the fifth is lost before the other had it.
    fn damaged() -> State {
        let mut state = State::new(InstanceId([1; 16]), 1 << 20, true);
        for output in ["ahead", "behind"] {
            state.open_cursor(output);
        }
        state.head = Mark::after(10);
        if let Some(ahead) = state.cursors.get_mut("ahead") {
            ahead.give(Mark::after(10), None);
        }
        state.lose(Loss {
            begin: Mark::after(4),
            end: Mark::after(5),
            time: None,
            reason: GapReason::Damaged,
        });
        state
    }

    #[test]
    fn an_output_that_goes_back_during_the_transaction_does_not_have_it() {
        for goes_back in [false, true] {
            let mut state = damaged();
            let job = state.take_job(Timestamp::default());
            assert_eq!(job.unwritten.damaged[0].given, [("ahead".to_owned(), 10)]);
            if goes_back {
                state.open_cursor("ahead");
            }
            let (sender, sequence, since) = (SENDER, 7, Timestamp::default());
            let outcome = Outcome {
                wanted: vec![WantedBatch {
                    sender,
                    sequence,
                    since,
                }],
                had: vec![had_by_ahead(None)],
                ..Outcome::default()
            };
            state.settle(&job, outcome);
            assert_eq!(state.had.is_empty(), goes_back);
            let next = state.take_job(Timestamp::default()).unwritten;
            assert_eq!(next.went_back.is_empty(), !goes_back, "nor in the file");
        }
    }

    #[test]
    fn an_output_that_goes_back_during_a_transaction_that_fails_does_not_have_it_in_the_next() {
        for goes_back in [false, true] {
            let mut state = damaged();
            let job = state.take_job(Timestamp::default());
            if goes_back {
                state.open_cursor("ahead");
            }
            state.give_back(job);
            let next = state.take_job(Timestamp::default()).unwritten;
            let up_to = if goes_back { 0 } else { 10 };
            assert_eq!(next.damaged[0].given, [("ahead".to_owned(), up_to)]);
        }
    }

    #[test]
    fn an_output_that_goes_back_after_it_came_again_needs_it() {
        let mut state = damaged();
        state.had = vec![had_by_ahead(None)];
        let origin = Origin {
            instance: SENDER,
            sequence: 7,
            checksum: 0,
        };
        state.come_again(origin, Some(11));
        assert_eq!(state.unwritten.had, [had_by_ahead(Some(11))]);
        state.open_cursor("ahead");
        assert!(state.had.is_empty() && state.unwritten.had.is_empty());
    }

    #[test]
    fn what_is_done_or_not_wanted_is_forgotten() {
        let mut state = damaged();
        state.take_job(Timestamp::default());
        state.add_had(vec![had_by_ahead(None), had_by_ahead(Some(9))]);
        assert_eq!(state.had, [had_by_ahead(Some(9))]);
        if let Some(ahead) = state.cursors.get_mut("ahead") {
            ahead.acknowledge(Mark::after(10));
        }
        state.move_start();
        assert!(state.had.is_empty());
    }
}
