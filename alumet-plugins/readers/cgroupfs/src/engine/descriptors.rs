//! How many files may stay open.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors that are left to the rest of the process.
const RESERVE: usize = 64;

/// Counts the files that are kept.
#[derive(Debug)]
pub(super) struct Descriptors {
    kept: usize,
    /// The bound of the caller.
    keep_at_most: usize,
    /// The bound of the caller and of the process.
    most: usize,
    has_raised: bool,
    has_told: bool,
}

impl Descriptors {
    pub(super) fn new(keep_at_most: usize) -> Self {
        let mut new = Self {
            kept: 0,
            keep_at_most,
            most: 0,
            has_raised: false,
            has_told: false,
        };
        new.look_up_limit();
        new
    }

    /// Counts one more file if it may be kept; raises the limit of the process when it is reached.
    pub(super) fn keep(&mut self) -> bool {
        let is_choice = self.most == self.keep_at_most;
        if self.kept >= self.most && !is_choice {
            self.raise();
        }
        if self.kept < self.most {
            self.kept += 1;
            return true;
        }
        if !is_choice && !std::mem::replace(&mut self.has_told, true) {
            tracing::warn!(
                kept = self.kept,
                "no more files of control groups can stay open: the others are opened at each read, which costs more CPU \
                 time; raise the limit of open files (`LimitNOFILE=` of the service, `ulimit -n`) or read less of each group"
            );
        }
        false
    }

    /// The process has no descriptor left although [`Self::keep`] said yes, because others have them. `true`:
    /// try again. Else so many kept files must be closed as [`Self::excess`] says.
    pub(super) fn run_out(&mut self) -> bool {
        if self.raise() {
            return true;
        }
        self.most = self.most.min(self.kept.saturating_sub(RESERVE));
        false
    }

    /// How many files are kept beyond the bound.
    pub(super) fn excess(&self) -> usize {
        self.kept.saturating_sub(self.most)
    }

    pub(super) fn release(&mut self, count: usize) {
        self.kept = self.kept.saturating_sub(count);
    }

    pub(super) fn kept(&self) -> usize {
        self.kept
    }

    fn look_up_limit(&mut self) {
        let soft = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
        let soft = usize::try_from(soft).unwrap_or(usize::MAX);
        self.most = self.keep_at_most.min(soft.saturating_sub(RESERVE));
    }

    /// Raises the soft limit, the first time; whether there is more room now.
    fn raise(&mut self) -> bool {
        if std::mem::replace(&mut self.has_raised, true) {
            return false;
        }
        let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
            return false;
        };
        if soft >= hard || setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_err() {
            return false;
        }
        tracing::info!(from = soft, to = hard, "the soft limit of open files was raised");
        self.look_up_limit();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_bound_is_kept_and_is_no_news() {
        let mut descriptors = Descriptors::new(1);
        assert!(descriptors.keep());
        assert!(!descriptors.keep());
        assert!(!descriptors.has_told);
        descriptors.release(1);
        assert!(descriptors.keep());
    }

    #[test]
    fn running_out_frees_a_reserve_and_is_told() {
        let mut descriptors = Descriptors::new(usize::MAX);
        descriptors.has_raised = true;
        for _ in 0..RESERVE + 3 {
            assert!(descriptors.keep());
        }
        assert!(!descriptors.run_out());
        assert_eq!(descriptors.excess(), RESERVE);
        descriptors.release(RESERVE);
        assert!(!descriptors.keep());
        assert!(descriptors.has_told);
    }
}
