//! The processes that were seen.

/// A set of numbers of processes: a bit for each, so that those of a run of years take no more than half a mebibyte (the kernel
/// gives no number above 2²², `PID_MAX_LIMIT`).
#[derive(Debug, Default)]
pub(super) struct ProcessSet(Vec<u64>);

impl ProcessSet {
    pub(super) fn contains(&self, pid: u32) -> bool {
        let (word, bit) = place(pid);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }
}

impl Extend<u32> for ProcessSet {
    fn extend<I: IntoIterator<Item = u32>>(&mut self, pids: I) {
        for pid in pids {
            let (word, bit) = place(pid);
            if self.0.len() <= word {
                self.0.resize(word + 1, 0);
            }
            self.0[word] |= bit;
        }
    }
}

const fn place(pid: u32) -> (usize, u64) {
    (pid as usize / 64, 1 << (pid % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_seen_stays_in_it() {
        let mut set = ProcessSet::default();
        set.extend([64, 4_194_304]);
        set.extend([1]);
        let seen = [1, 64, 4_194_304];
        assert!(seen.into_iter().all(|pid| set.contains(pid)));
        assert!(
            [0, 63, 65, 4_194_303, u32::MAX]
                .into_iter()
                .all(|pid| !set.contains(pid))
        );
        assert_eq!(set.0.len() * 8, 524_296);
    }
}
