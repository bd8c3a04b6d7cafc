//! Rows that cannot be sent.

use std::time::Duration;

use alumet_core::Series;
use alumet_core::source::Accumulator;

use crate::device::Replay;

/// Counts bad rows, and says what is wrong with them.
#[derive(Debug)]
pub(crate) struct BadRows {
    series: Series<u64>,
    count: u64,
    told: u64,
}

impl BadRows {
    /// The first of them, of which each is told; of the others, fewer and fewer are.
    const TOLD: u64 = 10;

    pub(crate) const fn new(series: Series<u64>) -> Self {
        Self {
            series,
            count: 0,
            told: 0,
        }
    }

    /// The row at which the file is is bad.
    pub(crate) fn note(&mut self, replay: &Replay, reason: &str) {
        self.count += 1;
        if self.count <= Self::TOLD || self.count.is_power_of_two() {
            tracing::warn!(
                path = %replay.path().display(), line = replay.line(), reason, so_far = self.count,
                "a row was left out, as a whole or in part; mend it in the file"
            );
        }
    }

    /// Pushes their number if there are new ones; the first time after the 0 from which it counts.
    pub(crate) fn push(&mut self, out: &mut Accumulator<'_>) {
        if self.count == self.told {
            return;
        }
        if self.told == 0 {
            let before = out.tick().timestamp.saturating_sub(Duration::from_nanos(1));
            out.push_at(&self.series, before, 0);
        }
        out.push(&self.series, self.count);
        self.told = self.count;
    }
}
