//! The transform: one verdict per series.

use alumet_core::time::Monotonic;
use alumet_core::transform::{Transform, TransformContext};
use alumet_core::{Batch, Failure, SeriesMap};
use alumet_shared_metric_names::SeriesFilter;

/// Removes the samples of series that are not wanted.
#[derive(Debug)]
pub(crate) struct Filter {
    filter: SeriesFilter,
    verdicts: SeriesMap<bool>,
}

impl Filter {
    pub(crate) const fn new(filter: SeriesFilter) -> Self {
        Self {
            filter,
            verdicts: SeriesMap::new(),
        }
    }
}

impl Transform for Filter {
    fn apply(&mut self, batch: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        let Self { filter, verdicts } = self;
        if filter.keeps_all() {
            return Ok(());
        }
        batch.retain(|sample| {
            *verdicts.get_or_insert_with(sample.series, || {
                let info = context.catalog.describe(sample.series);
                info.is_none_or(|info| filter.keeps(&info))
            })
        });
        Ok(())
    }

    fn wake_at(&self) -> Option<Monotonic> {
        self.filter.check_at()
    }

    fn tick(&mut self, _: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        self.filter.check(context.catalog, context.now.monotonic);
        Ok(())
    }
}
