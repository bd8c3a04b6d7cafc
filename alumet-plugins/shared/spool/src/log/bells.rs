//! Tells readers that there may be more to read.

use std::sync::{Arc, Weak};

use alumet_core::spool::Wake;
use parking_lot::Mutex;

/// One bell for each reader that is still there.
#[derive(Default)]
pub(crate) struct Bells(Mutex<Vec<Weak<Wake>>>);

impl Bells {
    /// Rings for as long as what is given back is kept.
    pub(crate) fn hang(&self, wake: Wake) -> Arc<Wake> {
        let bell = Arc::new(wake);
        self.0.lock().push(Arc::downgrade(&bell));
        bell
    }

    pub(crate) fn ring(&self) {
        self.0
            .lock()
            .retain(|bell| bell.upgrade().map(|wake| wake()).is_some());
    }
}
