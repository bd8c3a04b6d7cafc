use std::sync::Arc;

use parking_lot::Mutex;

use crate::batch::Batch;
use crate::series::{SeriesInfo, SeriesMap};

/// Says whether an output gets the samples of a series.
pub(crate) type Keeps = Arc<dyn Fn(&SeriesInfo) -> bool + Send + Sync>;

/// Leaves out the samples of series that an output does not get; a series is judged once.
pub(crate) struct OutputFilter {
    keeps: Keeps,
    verdicts: Mutex<SeriesMap<bool>>,
}

impl OutputFilter {
    pub(crate) fn new(keeps: Keeps) -> Self {
        Self {
            keeps,
            verdicts: Mutex::default(),
        }
    }

    /// The samples that the output gets; the batch itself if it gets all.
    pub(crate) fn apply(&self, batch: Arc<Batch>) -> Arc<Batch> {
        let mut verdicts = self.verdicts.lock();
        let mut is_kept = |series| {
            *verdicts.get_or_insert_with(series, || {
                let info = batch.catalog().describe(series);
                info.is_none_or(|info| (self.keeps)(&info))
            })
        };
        if batch.series().iter().all(|series| is_kept(*series)) {
            return batch;
        }
        Arc::new(batch.filtered(is_kept))
    }
}
