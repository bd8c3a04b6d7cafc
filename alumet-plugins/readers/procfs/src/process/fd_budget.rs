//! How many files of processes may stay open.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::resource::{Resource, getrlimit};

/// Whether the `stat` files of followed processes stay open between reads.
///
/// A kept file saves more than half of a reading (see the crate's README) and costs a file descriptor; ten thousand
/// processes would exceed the usual limits. Processes beyond the number are opened, read and closed each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FdPolicy {
    /// Open, read and close each time.
    OpenEachTime,
    /// Keep at most this many files open, and no more than an eighth of those that the program may have.
    KeepUpTo(usize),
}

impl Default for FdPolicy {
    /// 256 files: a quarter of the limit of 1024 that most systems set for a program.
    fn default() -> Self {
        Self::KeepUpTo(256)
    }
}

/// Counts the files that may still be kept.
#[derive(Debug)]
pub(super) struct FdBudget {
    left: Arc<AtomicUsize>,
}

impl FdBudget {
    pub(super) fn new(policy: FdPolicy) -> Self {
        let limit = match policy {
            FdPolicy::OpenEachTime => 0,
            FdPolicy::KeepUpTo(limit) => limit,
        };
        // Whatever else the program opens must find room below its limit.
        let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
        let share = usize::try_from(soft / 8).unwrap_or(usize::MAX);
        Self {
            left: Arc::new(AtomicUsize::new(limit.min(share))),
        }
    }

    /// The right to keep one file open, if there is one left.
    pub(super) fn take(&self) -> Option<FdPermit> {
        let decrement = |left: usize| left.checked_sub(1);
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, decrement)
            .ok()?;
        Some(FdPermit {
            left: Arc::clone(&self.left),
        })
    }
}

/// The right to keep one file open; given back when it is dropped.
#[derive(Debug)]
pub(super) struct FdPermit {
    left: Arc<AtomicUsize>,
}

impl Drop for FdPermit {
    fn drop(&mut self) {
        self.left.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_that_is_dropped_can_be_taken_again() {
        let budget = FdBudget::new(FdPolicy::KeepUpTo(1));
        let permit = budget.take().unwrap();
        assert!(budget.take().is_none());
        drop(permit);
        assert!(budget.take().is_some());
    }

    #[test]
    fn opening_each_time_keeps_nothing() {
        assert!(FdBudget::new(FdPolicy::OpenEachTime).take().is_none());
    }
}
