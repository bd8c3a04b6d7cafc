//! What is there now: forgets what is no longer listed.

/// Values for things that appear and vanish while the agent runs, such as interfaces.
///
/// Between [`begin`](Self::begin) and [`end`](Self::end) everything that is still there is looked up; `end` drops the
/// rest, and with it its series. The kernel lists things in the same order each time, so a look-up is one comparison.
#[derive(Debug)]
pub(crate) struct Present<K, V> {
    entries: Vec<Entry<K, V>>,
    /// Where the next look-up probably finds its entry.
    next: usize,
    round: u64,
}

#[derive(Debug)]
struct Entry<K, V> {
    key: K,
    value: V,
    seen: u64,
}

impl<K, V> Default for Present<K, V> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            next: 0,
            round: 0,
        }
    }
}

impl<K: Clone + PartialEq, V> Present<K, V> {
    /// Begins a new list.
    pub(crate) const fn begin(&mut self) {
        self.round += 1;
        self.next = 0;
    }

    /// The value of a thing that is there, made if it was not before.
    pub(crate) fn entry(&mut self, key: &K, make: impl FnOnce() -> V) -> &mut V {
        let is_it = |entry: &Entry<K, V>| entry.key == *key;
        let index = match self.entries.get(self.next).is_some_and(is_it) {
            true => self.next,
            false => self.entries.iter().position(is_it).unwrap_or_else(|| {
                let (key, value) = (key.clone(), make());
                self.entries.push(Entry { key, value, seen: 0 });
                self.entries.len() - 1
            }),
        };
        self.next = index + 1;
        let entry = &mut self.entries[index];
        entry.seen = self.round;
        &mut entry.value
    }

    /// Drops what was not looked up since [`begin`](Self::begin).
    pub(crate) fn end(&mut self) {
        self.entries.retain(|entry| entry.seen == self.round);
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
        let mut present = Present::default();
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
