//! Under which identities the numbers of records count.

use alumet_core::spool::{InstanceId, Numbering};

use super::Mark;

/// What comes after `begin` counts within `instance`, up to where the next stretch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) begin: Mark,
    pub(crate) instance: InstanceId,
}

/// All stretches of which there may still be records, in order, and the one of records to come.
#[derive(Debug, Clone)]
pub(crate) struct Numberings {
    earlier: Vec<Stretch>,
    newest: Stretch,
}

impl Numberings {
    /// Everything counts within one identity.
    pub(crate) fn of(instance: InstanceId, begin: Mark) -> Self {
        Self::after(Vec::new(), begin, instance)
    }

    /// Goes on after those of a file.
    pub(crate) fn after(mut earlier: Vec<Stretch>, head: Mark, instance: InstanceId) -> Self {
        earlier.retain(|stretch| stretch.begin.sequence < head.sequence);
        let newest = Stretch {
            begin: head,
            instance,
        };
        Self { earlier, newest }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Stretch> {
        self.earlier.iter().chain([&self.newest])
    }

    /// The identity of records to come.
    pub(crate) fn newest(&self) -> InstanceId {
        self.newest.instance
    }

    /// Where records to come begin.
    pub(crate) const fn begin(&self) -> Mark {
        self.newest.begin
    }

    /// Records to come begin there.
    pub(crate) const fn begin_at(&mut self, mark: Mark) {
        self.newest.begin = mark;
    }

    /// The identity of records to come and that of those before.
    pub(crate) fn newest_two(&self) -> [InstanceId; 2] {
        let former = self.earlier.last().unwrap_or(&self.newest);
        [self.newest.instance, former.instance]
    }

    /// Where the first stretch begins after number `sequence`.
    pub(crate) fn begin_after(&self, sequence: u64) -> Option<Mark> {
        let mut begins = self.all().map(|stretch| stretch.begin);
        begins.find(|begin| begin.sequence > sequence)
    }

    /// Forgets those that end before or at `sequence`; says whether there was any.
    pub(crate) fn forget(&mut self, sequence: u64) -> bool {
        let later = self.all().skip(1);
        let ended = later.take_while(|next| next.begin.sequence <= sequence).count();
        self.earlier.drain(..ended);
        ended > 0
    }
}

impl From<&Stretch> for Numbering {
    fn from(stretch: &Stretch) -> Self {
        Self {
            instance: stretch.instance,
            first: stretch.begin.sequence + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(sequence: u64) -> Mark {
        Mark {
            sequence,
            ..Mark::default()
        }
    }

    #[test]
    fn a_stretch_is_forgotten_when_the_last_of_its_numbers_is() {
        let id = |byte| InstanceId([byte; 16]);
        let of = |begin, instance| Stretch {
            begin: mark(begin),
            instance: id(instance),
        };
        let all = |numberings: &Numberings| numberings.all().copied().collect::<Vec<_>>();
        let mut numberings = Numberings::after(vec![of(0, 1), of(10, 2), of(20, 3)], mark(20), id(4));
        assert_eq!(
            all(&numberings),
            [of(0, 1), of(10, 2), of(20, 4)],
            "nothing counts within 3"
        );
        assert_eq!(numberings.begin_after(9), Some(mark(10)));
        assert!(!numberings.forget(9));
        assert!(numberings.forget(10));
        assert_eq!(all(&numberings), [of(10, 2), of(20, 4)]);
        assert!(numberings.forget(30));
        assert_eq!(all(&numberings), [of(20, 4)]);
        assert_eq!(numberings.newest(), id(4));
    }
}
