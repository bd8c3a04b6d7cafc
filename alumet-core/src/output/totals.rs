use std::sync::Arc;

use parking_lot::Mutex;

use crate::failure::Failure;
use crate::series::SeriesMap;

use super::{Delivering, Delivery, Output, SeriesTotal};

/// Adds up all series from an instant on, those included that are gone meanwhile. Clones are the same totals.
#[derive(Clone, Default)]
pub(crate) struct Totals(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// Where the total of a series is.
    rows: SeriesMap<usize>,
    totals: Vec<SeriesTotal>,
}

impl Totals {
    /// From now on, only what comes counts; of counters, what they rise above their last value.
    pub(crate) fn begin(&self) {
        self.0.lock().totals.iter_mut().for_each(SeriesTotal::begin_again);
    }

    /// The totals of all series that had a value.
    pub(crate) fn take(&self) -> Vec<SeriesTotal> {
        let mut inner = std::mem::take(&mut *self.0.lock());
        inner.totals.retain(|total| total.samples > 0);
        inner.totals
    }
}

impl Output for Totals {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        let Inner { rows, totals } = &mut *self.0.lock();
        for sample in delivery.samples() {
            if let Some(total) = rows.get(sample.series).and_then(|row| totals.get_mut(*row)) {
                total.add(sample);
            } else if let Some(series) = delivery.catalog().describe(sample.series) {
                rows.insert(sample.series, totals.len());
                totals.push(SeriesTotal::first(series, sample));
            }
        }
        Ok(Delivering::done())
    }
}
