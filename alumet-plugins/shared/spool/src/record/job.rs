//! What one transaction writes.

use std::sync::Arc;

use alumet_core::spool::{Definitions, InstanceId};
use alumet_core::time::Timestamp;

use super::{Entry, Loss, Mark};

/// The name of an output, up to where it is done, and what it stored with that.
pub(crate) type Stand = (String, Mark, Option<Vec<u8>>);

/// The highest number of a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watermark {
    pub(crate) sequence: u64,
    /// The checksum of that record.
    pub(crate) checksum: u32,
    /// When it came.
    pub(crate) seen: Timestamp,
}

/// What one transaction writes.
pub(crate) struct Job {
    /// Set when it has to be written.
    pub(crate) instance: Option<InstanceId>,
    pub(crate) records: Vec<Arc<Entry>>,
    pub(crate) definitions: Vec<Definitions>,
    pub(crate) cursors: Vec<Stand>,
    /// Outputs that do not follow any more.
    pub(crate) gone: Vec<String>,
    /// All of them, if they have changed.
    pub(crate) losses: Option<Vec<Loss>>,
    pub(crate) origins: Vec<(InstanceId, Watermark)>,
    /// Records to delete, as ranges of their numbers, both ends included.
    pub(crate) doomed: Vec<(u64, u64)>,
    /// Records up to this one may be deleted.
    pub(crate) start: Option<u64>,
    /// This dictionary and all later ones must stay.
    pub(crate) generation: u32,
    /// The end of the last record that there is.
    pub(crate) head: Mark,
    pub(crate) changes: u64,
}

/// What a transaction had no time to delete.
#[derive(Debug, Default)]
pub(crate) struct Leftover {
    pub(crate) doomed: Vec<(u64, u64)>,
    pub(crate) start: bool,
}
