use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::batch::Batch;
use crate::series::{SeriesInfo, SeriesMap};

use super::repeats::Repeats;

/// Says whether an output gets the samples of a series.
pub(crate) type Keeps = Arc<dyn Fn(&SeriesInfo) -> bool + Send + Sync>;

/// Leaves out the samples that an output does not get: those of some series, and those that say nothing new.
pub(crate) struct OutputFilter {
    keeps: Option<Keeps>,
    /// A series is judged once.
    verdicts: Mutex<SeriesMap<bool>>,
    repeats: Option<Repeats>,
}

impl OutputFilter {
    /// Nothing if the output gets everything.
    pub(crate) fn new(keeps: Option<Keeps>, unchanged: Option<Duration>) -> Option<Self> {
        (keeps.is_some() || unchanged.is_some()).then(|| Self {
            keeps,
            verdicts: Mutex::default(),
            repeats: unchanged.map(Repeats::new),
        })
    }

    /// The samples that the output gets; the batch itself if it gets all.
    pub(crate) fn apply(&self, batch: Arc<Batch>) -> Arc<Batch> {
        let batch = match &self.keeps {
            Some(keeps) => self.wanted(keeps, batch),
            None => batch,
        };
        match &self.repeats {
            Some(repeats) => repeats.apply(&batch),
            None => batch,
        }
    }

    fn wanted(&self, keeps: &Keeps, batch: Arc<Batch>) -> Arc<Batch> {
        let mut verdicts = self.verdicts.lock();
        let mut is_kept = |series| {
            *verdicts.get_or_insert_with(series, || {
                let info = batch.catalog().describe(series);
                info.is_none_or(|info| keeps(&info))
            })
        };
        if batch.series().iter().all(|series| is_kept(*series)) {
            return batch;
        }
        let kept = batch.samples().filter(|sample| is_kept(sample.series));
        Arc::new(batch.with_samples(kept))
    }
}
