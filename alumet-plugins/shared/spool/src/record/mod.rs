//! What the log keeps in order and the file stores: records, their ends, their losses, and what one transaction writes.

mod entry;
mod job;
mod loss;
mod numbering;

pub(crate) use entry::{Arrival, Entry, Mark, PAGE_SIZE, footprint};
pub(crate) use job::{Damaged, Had, Job, Outcome, Stand, Unwritten, WantedBatch, Watermark};
pub(crate) use loss::{Loss, Losses};
pub(crate) use numbering::{Numberings, Stretch};
