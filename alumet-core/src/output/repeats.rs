use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::batch::{Batch, Sample};
use crate::metric::MetricKind;
use crate::series::SeriesMap;

/// Leaves out samples that say nothing new: of a gauge or counter the same value again, of a delta another 0.
///
/// What was left out last comes before the next change, so that a value stands until the next sample of its series; and a value that
/// stands for long comes again from time to time, so that it can be told from that of a series which is gone.
pub(crate) struct Repeats {
    interval: Duration,
    series: Mutex<SeriesMap<Last>>,
}

/// What an output has of a series.
struct Last {
    is_delta: bool,
    given: Sample,
    /// The same value later, which was left out.
    left_out: Option<Sample>,
}

impl Repeats {
    /// A value that does not change comes once in this time.
    pub(crate) fn new(interval: Duration) -> Self {
        Self {
            interval,
            series: Mutex::default(),
        }
    }

    /// The samples that the output gets.
    pub(crate) fn apply(&self, batch: &Batch) -> Arc<Batch> {
        let mut series = self.series.lock();
        let mut news = Vec::with_capacity(batch.len());
        for sample in batch.samples() {
            if let Some(last) = series.get_mut(sample.series) {
                if last.is_repeated_by(sample, self.interval) {
                    last.left_out = Some(sample);
                    continue;
                }
                news.extend(
                    last.left_out
                        .take()
                        .filter(|left_out| left_out.value() != sample.value()),
                );
                last.given = sample;
            } else {
                let info = batch.catalog().describe(sample.series);
                series.insert(
                    sample.series,
                    Last {
                        is_delta: info.is_some_and(|info| info.metric.kind == MetricKind::Delta),
                        given: sample,
                        left_out: None,
                    },
                );
            }
            news.push(sample);
        }
        Arc::new(batch.with_samples(news))
    }
}

impl Last {
    fn is_repeated_by(&self, sample: Sample, interval: Duration) -> bool {
        let age = sample.timestamp.checked_since(self.given.timestamp);
        sample.value() == self.given.value()
            && (!self.is_delta || sample.value().as_f64() == 0.0)
            && age.is_some_and(|age| age < interval)
    }
}
