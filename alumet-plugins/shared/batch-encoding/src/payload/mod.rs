//! Samples to bodies of payloads and back; series are numbers here.

mod groups;
mod read;
mod write;

pub(crate) use read::PayloadReader;
pub(crate) use write::PayloadWriter;

/// Scratch memory for more samples than this is not kept for the next batch.
const KEPT_SAMPLES: usize = 1 << 16;
