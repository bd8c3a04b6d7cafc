//! Where one output stands.

use std::collections::VecDeque;

use alumet_core::spool::Gap;

use crate::record::Mark;

/// Where one output stands.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    /// Whether the output has been seen since the start of the program.
    pub(crate) opened: bool,
    /// Everything up to here is done.
    pub(crate) done: Mark,
    /// What the output stored with its last acknowledgement.
    pub(crate) position: Option<Vec<u8>>,
    /// Everything up to here was given.
    pub(crate) next: Mark,
    /// The ends of what was given and is not done, and the dictionary of each; none for a gap.
    given: VecDeque<(Mark, Option<u32>)>,
    /// The gaps among them.
    gaps: VecDeque<Gap>,
    /// The ends of what was not given, because the output has it, and is not done.
    passed: VecDeque<Mark>,
    /// The samples of such that are done since the last acknowledgement.
    uncounted: u64,
}

impl Cursor {
    /// Of an output that is done with everything up to `done`.
    pub(crate) fn at(done: Mark, position: Option<Vec<u8>>, opened: bool) -> Self {
        Self {
            opened,
            done,
            next: done,
            position,
            ..Self::default()
        }
    }

    /// Notes that everything up to `end` was given: a record, which needs that dictionary, or a gap.
    pub(crate) fn give(&mut self, end: Mark, generation: Option<u32>) {
        self.next = end;
        // To a successor, much comes again.
        let place = self
            .given
            .partition_point(|(mark, _)| mark.sequence < end.sequence);
        let known = self.given.get(place);
        if known.is_none_or(|(known, _)| known.sequence > end.sequence) {
            self.given.insert(place, (end, generation));
        }
    }

    /// The oldest dictionary that a record needs which was given and is not done, be it lost since or not.
    pub(crate) fn oldest_generation(&self) -> Option<u32> {
        self.given.iter().find_map(|(_, generation)| *generation)
    }

    /// Notes that a gap was given, which ends with `end`.
    pub(crate) fn give_gap(&mut self, gap: Gap, end: Mark) {
        self.give(end, None);
        // To a successor it comes again, and may have grown.
        while self.gaps.back().is_some_and(|known| known.last >= gap.first) {
            self.gaps.pop_back();
        }
        self.gaps.push_back(gap);
    }

    /// Notes that the record up to `end` is not given, because the output has it.
    pub(crate) fn pass(&mut self, end: Mark) {
        self.next = end;
        self.passed.push_back(end);
        self.uncounted += self.move_done(self.done);
    }

    /// Goes back to what is done, and gives the number of that.
    pub(crate) fn go_back(&mut self) -> u64 {
        self.next = self.done;
        self.passed.clear();
        self.done.sequence
    }

    /// The last end that was given and is not after `sequence`.
    pub(crate) fn given_up_to(&self, sequence: u64) -> Option<Mark> {
        let count = self.given.partition_point(|(mark, _)| mark.sequence <= sequence);
        self.given.range(..count).next_back().map(|(mark, _)| *mark)
    }

    /// Is done with everything up to `end`; says how many samples of records that is.
    ///
    /// A gap does not count if the output has heard of it; one that it never heard of does, because then it must have
    /// had the records before they were lost. What was not given because it has it counts.
    pub(crate) fn acknowledge(&mut self, end: Mark) -> u64 {
        let uncounted = std::mem::take(&mut self.uncounted);
        if end.sequence <= self.done.sequence {
            return uncounted;
        }
        uncounted + self.move_done(end)
    }

    /// Is done with everything up to `end`, and with what was passed right after it.
    fn move_done(&mut self, mut end: Mark) -> u64 {
        let is_done = |(mark, _): &(Mark, _)| mark.sequence <= end.sequence;
        let done = self.given.partition_point(is_done);
        self.given.drain(..done);
        let open = self.given.front().map_or(u64::MAX, |(mark, _)| mark.sequence);
        while let Some(passed) = self.passed.front()
            && passed.sequence < open
        {
            end = end.max(*passed);
            self.passed.pop_front();
        }
        let mut samples = end.samples.saturating_sub(self.done.samples);
        while let Some(gap) = self.gaps.front()
            && gap.last <= end.sequence
        {
            samples = samples.saturating_sub(gap.samples);
            self.gaps.pop_front();
        }
        self.done = end;
        self.next = self.next.max(end);
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_passed_is_done_with_what_comes_before_it() {
        let mut cursor = Cursor::at(Mark::after(1), None, true);
        cursor.pass(Mark::after(2));
        assert_eq!(cursor.done, Mark::after(2));
        cursor.give(Mark::after(3), Some(1));
        cursor.pass(Mark::after(4));
        cursor.give(Mark::after(5), Some(1));
        cursor.pass(Mark::after(6));
        assert_eq!(cursor.acknowledge(Mark::after(3)), 30, "the second, too");
        assert_eq!(cursor.done, Mark::after(4));
        assert_eq!(cursor.acknowledge(Mark::after(5)), 20);
        assert_eq!(cursor.done, Mark::after(6));
    }

    #[test]
    fn what_was_passed_is_not_done_for_a_successor_that_is_given_it() {
        let given = || {
            let mut cursor = Cursor::at(Mark::after(1), None, true);
            cursor.give(Mark::after(2), Some(1));
            cursor.pass(Mark::after(3));
            cursor.give(Mark::after(5), Some(1));
            cursor.go_back();
            cursor
        };
        let mut cursor = given();
        cursor.acknowledge(Mark::after(2));
        assert_eq!(cursor.done, Mark::after(2), "by its predecessor");
        cursor = given();
        for number in [2, 3] {
            cursor.give(Mark::after(number), Some(1));
        }
        cursor.pass(Mark::after(4));
        cursor.acknowledge(Mark::after(2));
        assert_eq!(cursor.done, Mark::after(2));
        cursor.acknowledge(Mark::after(3));
        assert_eq!(cursor.done, Mark::after(4));
    }
}
