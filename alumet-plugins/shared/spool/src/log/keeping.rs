//! How long records stay that no output needs any more.

use std::collections::VecDeque;
use std::time::Duration;

use alumet_core::time::Monotonic;

use crate::record::Mark;

/// Which records stay on disk although every output is done with them: those of some time, as long as there is room.
#[derive(Debug, Default)]
pub(crate) struct Keeping {
    /// For how long.
    pub(crate) age: Duration,
    /// Everything up to here is gone.
    pub(crate) gone: Mark,
    /// Up to where every output was done at some instants since, oldest first.
    done: VecDeque<(Monotonic, Mark)>,
}

impl Keeping {
    /// How many instants are remembered.
    const STEPS: u32 = 64;

    /// Every output is done with everything up to `done`: lets go of what has stayed long enough, and of what takes the
    /// room of `max_bytes` that all up to `head` has.
    pub(crate) fn advance(&mut self, done: Mark, head: Mark, max_bytes: u64, now: Monotonic) {
        if self.age.is_zero() {
            return self.let_go(done);
        }
        let since = |time: &Monotonic| now.since(*time);
        let is_due = |(time, _): &(Monotonic, Mark)| since(time) >= self.age / Self::STEPS;
        if self.done.back().is_none_or(is_due) {
            self.done.push_back((now, done));
        }
        while let Some((time, mark)) = self.done.front()
            && since(time) >= self.age
        {
            self.gone = self.gone.max(*mark);
            self.done.pop_front();
        }
        while head.bytes.saturating_sub(self.gone.bytes) > max_bytes && self.gone < done {
            let next = self.done.pop_front().map_or(done, |(_, mark)| mark);
            self.gone = self.gone.max(next);
        }
    }

    /// Lets go of everything up to `mark`.
    pub(crate) fn let_go(&mut self, mark: Mark) {
        self.gone = self.gone.max(mark);
        self.done.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn what_is_done_stays_for_its_time() {
        let mut keeping = Keeping {
            age: Duration::from_secs(64),
            ..Keeping::default()
        };
        for second in 0..64 {
            keeping.advance(Mark::after(second), Mark::after(second + 5), 1 << 20, at(second));
        }
        assert_eq!(keeping.gone, Mark::after(0));
        keeping.advance(Mark::after(80), Mark::after(85), 1 << 20, at(80));
        assert_eq!(keeping.gone, Mark::after(16));
    }

    #[test]
    fn what_is_done_makes_room_oldest_first_and_what_is_not_done_stays() {
        let mut keeping = Keeping {
            age: Duration::from_secs(64),
            ..Keeping::default()
        };
        for second in 0..10 {
            keeping.advance(
                Mark::after(second * 10),
                Mark::after(second * 10),
                1 << 20,
                at(second),
            );
        }
        keeping.advance(Mark::after(90), Mark::after(100), 5000, at(9));
        assert_eq!(keeping.gone, Mark::after(50));
        keeping.advance(Mark::after(90), Mark::after(1000), 5000, at(9));
        assert_eq!(keeping.gone, Mark::after(90));
    }

    #[test]
    fn without_a_time_nothing_stays() {
        let mut keeping = Keeping::default();
        keeping.advance(Mark::after(3), Mark::after(5), 1 << 20, at(1));
        assert_eq!(keeping.gone, Mark::after(3));
    }
}
