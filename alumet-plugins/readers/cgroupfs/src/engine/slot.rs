//! One control group that an engine reads.

use std::fs::File;

use super::Wanted;
use super::specs::FileSpec;
use crate::CgroupPath;
use crate::stat::memory_stat::Places;

/// A control group with its files.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) cgroup: CgroupPath,
    pub(super) wanted: Wanted,
    pub(super) files: Vec<Followed>,
    pub(super) places: Places,
    /// The number of its directory in each hierarchy: a group made anew under the same name has another one.
    pub(super) inodes: Vec<Option<u64>>,
    pub(super) reads: u32,
}

/// One of its files.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) spec: &'static FileSpec,
    /// Which of the names of the spec is there.
    pub(super) name: &'static str,
    /// Which directory of the engine it is below.
    pub(super) base: usize,
    pub(super) state: State,
}

/// How a file is read.
#[derive(Debug)]
pub(super) enum State {
    /// It stays open.
    Kept(File),
    /// It is opened, read and closed.
    EachTime,
    /// It is not there, as its controller is not enabled; it is looked for now and then.
    Absent,
}

impl Slot {
    /// Closes up to `count` kept files and says how many.
    pub(super) fn stop_keeping(&mut self, count: usize) -> usize {
        let mut closed = 0;
        for file in self.files.iter_mut().rev() {
            if closed < count && matches!(file.state, State::Kept(_)) {
                file.state = State::EachTime;
                closed += 1;
            }
        }
        closed
    }
}
