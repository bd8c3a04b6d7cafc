//! The samples, which are the same for each.

use alumet_core::{Batch, Catalog};

use crate::machine::Machine;
use crate::place::{HOUR, SECOND};

/// From one sample of a series to the next.
const INTERVAL: i64 = 10 * SECOND;
/// So many of each series are sent at once.
const AT_ONCE: i64 = 20;

/// Which samples there are: of eight series for each group, over a time that ended an hour ago, or a little more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) groups: usize,
    /// Whole hours, in nanoseconds since 1970.
    pub(crate) begin: i64,
    pub(crate) until: i64,
}

impl Span {
    pub(crate) const fn before(now: i64, hours: usize, groups: usize) -> Self {
        let until = (now / HOUR - 1) * HOUR;
        Self {
            groups,
            begin: until - hours as i64 * HOUR,
            until,
        }
    }

    /// Makes all batches, the last of them at the end of the time.
    pub(crate) fn each(self, mut work: impl FnMut(&Catalog, Batch)) {
        let catalog = Catalog::new();
        let mut machine = Machine::new(&catalog, self.groups, self.begin);
        while machine.now() < self.until {
            let mut batch = catalog.batch();
            let ticks = ((self.until - machine.now()) / INTERVAL).min(AT_ONCE);
            for _ in 0..ticks {
                machine.tick(&mut batch, INTERVAL, 100);
            }
            work(&catalog, batch);
        }
    }
}
