//! Instants around the readings of CPU clocks.

use std::sync::Arc;

use alumet_core::time::{Clock, Monotonic};

/// Gives instants that lie before a reading; one is used for several cheap readings in a row.
pub(super) struct Stopwatch {
    clock: Arc<dyn Clock>,
    last: Monotonic,
    uses_left: u32,
}

/// Sixteen readings of a CPU clock take some microseconds: far below what a share of 20 ms can show.
const USES: u32 = 16;

impl Stopwatch {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            last: Monotonic::default(),
            uses_left: 0,
        }
    }

    /// An instant at most a few microseconds ago.
    pub(super) fn before(&mut self) -> Monotonic {
        if self.uses_left == 0 {
            return self.now();
        }
        self.uses_left -= 1;
        self.last
    }

    /// The present instant.
    pub(super) fn now(&mut self) -> Monotonic {
        self.last = self.clock.now().monotonic;
        self.uses_left = USES;
        self.last
    }

    /// Something slower than a CPU clock is read now.
    pub(super) const fn expire(&mut self) {
        self.uses_left = 0;
    }
}
