//! The transform: one verdict per series.

use alumet_core::time::Monotonic;
use alumet_core::transform::{Transform, TransformContext};
use alumet_core::{Batch, Failure, SeriesMap};
use alumet_shared_metric_names::MetricNames;

/// Removes the samples of metrics that are not wanted.
#[derive(Debug)]
pub(crate) struct Filter {
    names: MetricNames,
    /// Whether what is named is kept, or what is not.
    keep: bool,
    verdicts: SeriesMap<bool>,
}

impl Filter {
    pub(crate) const fn new(names: MetricNames, keep: bool) -> Self {
        Self {
            names,
            keep,
            verdicts: SeriesMap::new(),
        }
    }
}

impl Transform for Filter {
    fn apply(&mut self, batch: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        let Self {
            names,
            keep,
            verdicts,
        } = self;
        if names.is_empty() {
            return Ok(());
        }
        batch.retain(|sample| {
            *verdicts.get_or_insert_with(sample.series, || {
                let info = context.catalog.describe(sample.series);
                info.is_none_or(|info| names.contain(&info.metric.name) == *keep)
            })
        });
        Ok(())
    }

    fn wake_at(&self) -> Option<Monotonic> {
        self.names.check_at()
    }

    fn tick(&mut self, _: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        self.names.check(context.catalog, context.now.monotonic);
        Ok(())
    }
}
