//! Reads the wanted statistics of thousands of control groups, poll after poll.
//!
//! [`StatEngine`] is the interface; [`FileEngine`] implements it with files of both versions that stay open.

mod descriptors;
mod file;
mod reading;
mod slot;
mod specs;
mod wanted;

pub use descriptors::{FdPolicy, Notice};
pub use file::FileEngine;
pub use reading::{CpuTime, Reading};
pub use wanted::Wanted;

use crate::{CgroupPath, ReadError};

/// A way of reading the statistics of control groups.
///
/// The caller calls [`Self::begin_pass`] once per poll and then [`Self::read`] for each control group.
pub trait StatEngine {
    /// Begins to read a control group.
    ///
    /// # Errors
    /// `Gone` when it does not exist (any more), `PermissionDenied` when one of its files is refused. Files that are
    /// not there are no error: their fields stay empty.
    fn open(&mut self, cgroup: &CgroupPath, wanted: Wanted) -> Result<SlotId, ReadError>;

    /// Prepares the reads of one poll; an engine that obtains everything in one sweep does so here.
    ///
    /// # Errors
    /// When the sweep failed and no control group can be read in this poll.
    fn begin_pass(&mut self) -> Result<(), ReadError> {
        Ok(())
    }

    /// Reads a control group. All fields of `out` are overwritten; those that are not wanted or not offered become
    /// `None`.
    ///
    /// # Errors
    /// `Gone` when the control group was removed: close it. Else the first file that failed; what the other files
    /// gave is in `out` all the same.
    fn read(&mut self, slot: &SlotId, out: &mut Reading) -> Result<(), ReadError>;

    /// Forgets a control group and closes its files.
    fn close(&mut self, slot: SlotId);

    /// Something that the operator should know, at most once each.
    fn take_notice(&mut self) -> Option<Notice>;
}

/// A control group that an engine reads. It belongs to the engine that gave it out; close it there.
#[derive(Debug, PartialEq, Eq, Hash)]
#[must_use = "a control group that is never closed keeps its files open"]
pub struct SlotId(usize);
