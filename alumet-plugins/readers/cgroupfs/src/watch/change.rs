//! What a watcher tells.

use crate::CgroupPath;

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
    /// or thawed. Only inotify tells it, and version 1 does not have it.
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
