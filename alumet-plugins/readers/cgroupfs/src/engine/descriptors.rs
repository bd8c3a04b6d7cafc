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

/// Something that the operator should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Notice {
    /// The soft limit of open files was raised.
    #[error("the soft limit of open files was raised from {from} to {to}")]
    LimitRaised {
        /// The soft limit before.
        from: u64,
        /// The soft limit now.
        to: u64,
    },
    /// No more files can be kept open: the others are opened at each read, which costs more CPU time.
    #[error(
        "{kept} files of control groups stay open and no more can: the others are opened at each read; raise the \
         limit of open files (`LimitNOFILE=` of the service, `ulimit -n`) or read less of each group"
    )]
    Exhausted {
        /// How many stay open.
        kept: usize,
    },
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
    notices: [Option<Notice>; 2],
}

impl Descriptors {
    pub(super) fn new(policy: FdPolicy) -> Self {
        let mut new = Self {
            kept: 0,
            policy,
            most: 0,
            has_raised: !policy.raise_limit,
            has_told: false,
            notices: [None; 2],
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
            self.notices[1] = Some(Notice::Exhausted { kept: self.kept });
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

    pub(super) fn take_notice(&mut self) -> Option<Notice> {
        self.notices.iter_mut().find_map(Option::take)
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
        self.notices[0] = Some(Notice::LimitRaised { from: soft, to: hard });
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
        assert_eq!(descriptors.take_notice(), None);
        descriptors.release(1);
        assert!(descriptors.may_keep());
    }

    #[test]
    fn running_out_frees_a_reserve_and_is_told_once() {
        let mut descriptors = bounded(usize::MAX);
        for _ in 0..RESERVE + 3 {
            descriptors.keep();
        }
        assert!(!descriptors.run_out());
        assert_eq!(descriptors.excess(), RESERVE);
        descriptors.release(RESERVE);
        assert!(!descriptors.may_keep() && !descriptors.may_keep());
        assert_eq!(descriptors.take_notice(), Some(Notice::Exhausted { kept: 3 }));
        assert_eq!(descriptors.take_notice(), None);
    }
}
