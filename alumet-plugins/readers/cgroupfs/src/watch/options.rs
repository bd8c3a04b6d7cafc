//! What the caller tells a watcher, and what it tells the caller.

use std::time::Duration;

use crate::CgroupPath;

/// How a hierarchy is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchOptions {
    /// How often directories are looked at that cannot be watched.
    pub rescan_interval: Duration,
    /// The most directories to watch, to leave watches to other programs of the user; the kernel's limit is
    /// `fs.inotify.max_user_watches`.
    pub max_watches: usize,
    /// Does without inotify: everything is looked at every [`Self::rescan_interval`].
    pub poll_only: bool,
    /// Reports [`Change::EventsChanged`], at the price of one more watch for each control group. Only inotify tells it.
    pub report_events: bool,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self {
            rescan_interval: Duration::from_secs(5),
            max_watches: usize::MAX,
            poll_only: false,
            report_events: false,
        }
    }
}

/// The identity of a control group: the number of its directory. The kernel does not give one out twice while it
/// runs (on 64 bits), so that a group that is made anew under the same name has another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CgroupId(pub u64);

/// A control group came or went.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// It exists now.
    Appeared {
        /// Its name.
        path: CgroupPath,
        /// Which of all groups of that name it is.
        id: CgroupId,
    },
    /// Its `cgroup.events` changed: the first process entered it or one below it, the last one left, or it was frozen
    /// or thawed. Only told on request, see [`WatchOptions::report_events`].
    EventsChanged {
        /// Which one.
        id: CgroupId,
    },
    /// It exists no more.
    Vanished {
        /// Its name.
        path: CgroupPath,
        /// Which of all groups of that name it was.
        id: CgroupId,
    },
}

/// Something that the operator should know.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Notice {
    /// There are more directories than watches.
    #[error(
        "only {watched} control groups can be watched, the others are looked at periodically; raise \
         `fs.inotify.max_user_watches` (sysctl)"
    )]
    WatchLimit {
        /// How many are watched.
        watched: usize,
    },
    /// Inotify is not available.
    #[error(
        "inotify is not available, control groups are looked at periodically; raise \
         `fs.inotify.max_user_instances` (sysctl) or the limit of open files"
    )]
    NoInotify,
    /// Control groups come and go faster than they are asked for. Nothing is lost.
    #[error(
        "the inotify queue overflowed and all control groups were looked at; raise \
         `fs.inotify.max_queued_events` (sysctl) if it happens often"
    )]
    Overflow,
}
