//! Which control groups are measured, and what is known about them.

use std::sync::Arc;

use alumet_core::Attributes;
use alumet_reader_cgroupfs::CgroupPath;

/// Decides which control groups are measured and what their samples say beside the path.
///
/// It is asked once when a control group appears, on the thread that polls: what takes a request to a server is
/// [`Resolution::Provisional`] or [`Resolution::Later`] until another thread has the answer.
pub trait Resolver: Send + 'static {
    /// What becomes of the control group of this name.
    fn resolve(&mut self, cgroup: &CgroupPath) -> Resolution;

    /// Is given what asks again at once, from any thread, about the control groups whose answer was not final. Without a call,
    /// that happens at the next poll.
    fn wakes(&mut self, _wake: Wake) {}
}

/// Asks again.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// Whether a plugin measures the control group of this name, as far as the name tells. Others then leave it alone.
pub type Claim = Arc<dyn Fn(&CgroupPath) -> bool + Send + Sync>;

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
    /// It is measured with what is known by now, and the question comes again. With the final answer its series end and others
    /// begin where they have ended.
    Provisional {
        /// What is known by now, such as the id of a pod.
        attributes: Attributes,
        /// Why the rest is not known, in a few words: it becomes an attribute of the metric that counts such groups.
        missing: &'static str,
    },
    /// It is not known yet whether it is measured: the question comes again at the next poll. Nothing of what it uses meanwhile
    /// is lost.
    Later,
}
