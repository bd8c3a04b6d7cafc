//! Which control groups are measured, and what is known about them.

use alumet_core::Attributes;
use alumet_reader_cgroupfs::CgroupPath;

/// Decides which control groups are measured and what their samples say beside the path.
///
/// It is asked once when a control group appears, on the thread that polls: an answer that takes a request to a server is
/// [`Resolution::Later`] until another thread has it.
pub trait Resolver: Send + 'static {
    /// What becomes of the control group of this name.
    fn resolve(&mut self, cgroup: &CgroupPath) -> Resolution;
}

/// What becomes of a control group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// It is not measured.
    Ignore,
    /// It is measured, and its samples have these attributes.
    Measure {
        /// What is known about it, such as the number of a job.
        attributes: Attributes,
    },
    /// It is not known yet: the question comes again at the next poll. Nothing of what it uses meanwhile is lost.
    Later,
}
