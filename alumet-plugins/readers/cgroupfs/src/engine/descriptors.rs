//! How many files may stay open.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// How many files an engine keeps open between reads. Those beyond are opened, read and closed each time, which
/// costs five times as much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FdPolicy {
    /// The most files to keep; by default as many as the process may have, less a reserve for everything else.
    pub keep_up_to: usize,
    /// Whether to raise the soft limit of the process (`RLIMIT_NOFILE`) to its hard limit, once, when it is reached.
    /// Children inherit it, and `select` does not work with descriptors above 1023.
    pub raise_limit: bool,
}

impl Default for FdPolicy {
    fn default() -> Self {
        Self {
            keep_up_to: usize::MAX,
            raise_limit: true,
        }
    }
}

/// Descriptors that are left to the rest of the process.
const RESERVE: usize = 64;

/// Counts the files that are kept.
#[derive(Debug)]
pub(super) struct Descriptors {
    kept: usize,
    policy: FdPolicy,
    most: usize,
    has_raised: bool,
    has_told: bool,
}

impl Descriptors {
    pub(super) fn new(policy: FdPolicy) -> Self {
        let mut new = Self {
            kept: 0,
            policy,
            most: 0,
            has_raised: !policy.raise_limit,
            has_told: false,
        };
        new.look_up_limit();
        new
    }

    /// Whether one more file may be kept; raises the limit of the process when it is reached.
    pub(super) fn may_keep(&mut self) -> bool {
        if self.kept < self.most {
            return true;
        }
        if self.most < self.policy.keep_up_to && self.raise() {
            return self.kept < self.most;
        }
        if !self.has_told && self.most < self.policy.keep_up_to {
            self.has_told = true;
            tracing::warn!(
                kept = self.kept,
                "no more files of control groups can stay open: the others are opened at each read, which costs more CPU \
                 time; raise the limit of open files (`LimitNOFILE=` of the service, `ulimit -n`) or read less of each group"
            );
        }
        false
    }

    /// The process has no descriptor left although [`Self::may_keep`] said yes, because others have them. `true`:
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

    pub(super) fn keep(&mut self) {
        self.kept += 1;
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
        self.most = self.policy.keep_up_to.min(soft.saturating_sub(RESERVE));
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

    fn bounded(keep_up_to: usize) -> Descriptors {
        Descriptors::new(FdPolicy {
            keep_up_to,
            raise_limit: false,
        })
    }

    #[test]
    fn a_chosen_bound_is_kept_and_is_no_news() {
        let mut descriptors = bounded(1);
        assert!(descriptors.may_keep());
        descriptors.keep();
        assert!(!descriptors.may_keep());
        assert!(!descriptors.has_told);
        descriptors.release(1);
        assert!(descriptors.may_keep());
    }

    #[test]
    fn running_out_frees_a_reserve_and_is_told() {
        let mut descriptors = bounded(usize::MAX);
        for _ in 0..RESERVE + 3 {
            descriptors.keep();
        }
        assert!(!descriptors.run_out());
        assert_eq!(descriptors.excess(), RESERVE);
        descriptors.release(RESERVE);
        assert!(!descriptors.may_keep());
        assert!(descriptors.has_told);
    }
}
