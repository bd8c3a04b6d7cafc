//! What is there now: forgets what is no longer listed.

/// Values for things that appear and vanish while the agent runs, such as interfaces.
///
/// Between [`begin`](Self::begin) and [`end`](Self::end) everything that is still there is looked up; `end` drops the
/// rest, and with it its series. The kernel lists things in the same order each time, so a look-up is one comparison.
#[derive(Debug)]
pub(crate) struct Present<K, V> {
    /// Those that were looked up since the beginning, in this order, then the others.
    entries: Vec<(K, V)>,
    looked_up: usize,
}

impl<K: Clone + PartialEq, V> Present<K, V> {
    pub(crate) const fn new() -> Self {
        Self {
            entries: Vec::new(),
            looked_up: 0,
        }
    }

    /// Begins a new list.
    pub(crate) const fn begin(&mut self) {
        self.looked_up = 0;
    }

    /// The value of a thing that is there, made if it was not before.
    pub(crate) fn entry(&mut self, key: &K, make: impl FnOnce() -> V) -> &mut V {
        let next = self.looked_up;
        match self.entries[next..].iter().position(|(known, _)| known == key) {
            Some(distance) => self.entries.swap(next, next + distance),
            None => self.entries.insert(next, (key.clone(), make())),
        }
        self.looked_up += 1;
        &mut self.entries[next].1
    }

    /// Drops what was not looked up since [`begin`](Self::begin).
    pub(crate) fn end(&mut self) {
        self.entries.truncate(self.looked_up);
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_vanishes_is_forgotten_and_what_stays_keeps_its_value_in_any_order() {
        let mut present = Present::new();
        let mut list = |keys: &[&'static str]| {
            present.begin();
            let counts: Vec<u32> = keys
                .iter()
                .map(|key| {
                    let count = present.entry(key, || 0);
                    *count += 1;
                    *count
                })
                .collect();
            present.end();
            counts
        };
        assert_eq!(list(&["lo", "eth0", "eth1"]), [1, 1, 1]);
        assert_eq!(list(&["lo", "eth1"]), [2, 2]);
        assert_eq!(list(&["eth1", "eth0", "lo"]), [3, 1, 3]);
    }
}
