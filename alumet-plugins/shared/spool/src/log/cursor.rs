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
        let last = self.given.back();
        if last.is_none_or(|(last, _)| last.sequence < end.sequence) {
            self.given.push_back((end, generation));
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

    /// The last end that was given and is not after `sequence`.
    pub(crate) fn given_up_to(&self, sequence: u64) -> Option<Mark> {
        let count = self.given.partition_point(|(mark, _)| mark.sequence <= sequence);
        self.given.range(..count).next_back().map(|(mark, _)| *mark)
    }

    /// Is done with everything up to `end`; says how many samples of records that is.
    ///
    /// A gap does not count if the output has heard of it; one that it never heard of does, because then it must have
    /// had the records before they were lost.
    pub(crate) fn acknowledge(&mut self, end: Mark) -> u64 {
        if end.sequence <= self.done.sequence {
            return 0;
        }
        let mut samples = end.samples.saturating_sub(self.done.samples);
        while let Some(gap) = self.gaps.front()
            && gap.last <= end.sequence
        {
            samples = samples.saturating_sub(gap.samples);
            self.gaps.pop_front();
        }
        let passed = self
            .given
            .partition_point(|(mark, _)| mark.sequence <= end.sequence);
        self.given.drain(..passed);
        self.done = end;
        self.next = self.next.max(end);
        samples
    }
}
