use std::cell::RefCell;

use crate::envelope::Opener;
use crate::payload::PayloadReader;

/// What is needed only while something is decoded.
///
/// Each thread has one: a server has thousands of decoders, of which few are at work.
pub(super) struct Scratch {
    pub(super) opener: Opener,
    pub(super) reader: PayloadReader,
}

impl Scratch {
    /// Lends the one of this thread.
    pub(super) fn with<T>(work: impl FnOnce(&mut Self) -> T) -> T {
        thread_local! {
            static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
                opener: Opener::new(),
                reader: PayloadReader::default(),
            });
        }
        SCRATCH.with_borrow_mut(work)
    }
}
