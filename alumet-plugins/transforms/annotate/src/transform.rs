//! The transform: moves samples to series with more attributes.

use alumet_core::series::{SeriesHandle, SeriesId};
use alumet_core::time::Monotonic;
use alumet_core::transform::{Transform, TransformContext};
use alumet_core::{Attributes, Batch, Failure, SeriesMap};
use alumet_shared_metric_names::Selection;

/// Adds attributes.
#[derive(Debug)]
pub(crate) struct Annotate {
    selection: Selection,
    attributes: Attributes,
    /// The series with the attributes; `None` for one that stays as it is.
    series: SeriesMap<Option<SeriesHandle>>,
}

impl Annotate {
    pub(crate) const fn new(selection: Selection, attributes: Attributes) -> Self {
        Self {
            selection,
            attributes,
            series: SeriesMap::new(),
        }
    }
}

impl Transform for Annotate {
    fn apply(&mut self, batch: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        let Self {
            selection,
            attributes,
            series,
        } = self;
        let plan = |id: SeriesId| {
            let info = context
                .catalog
                .describe(id)
                .filter(|info| selection.contains(info))?;
            let own = info.attributes();
            // Of two values for a key the later one stays: that which the series had.
            let both = attributes.iter().chain(own.iter());
            let both: Attributes = both.map(|(key, value)| (key.clone(), value.clone())).collect();
            (both != *own).then(|| {
                let mut key = info.key.clone();
                key.attributes = both;
                context.catalog.register(key)
            })
        };
        for index in 0..batch.len() {
            let id = batch.series()[index];
            if let Some(annotated) = series.get_or_insert_with(id, || plan(id)) {
                // The metric is the same, and so is the type of the values.
                let _ = batch.set_series(index, annotated);
            }
        }
        Ok(())
    }

    /// Nothing is kept back, but the series that take the place of those that are gone are forgotten.
    fn waits(&self) -> bool {
        true
    }

    fn wake_at(&self) -> Option<Monotonic> {
        self.selection.check_at()
    }

    fn tick(&mut self, _: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        self.selection.check(context.catalog, context.now.monotonic);
        Ok(())
    }

    fn retired(&mut self, series: SeriesId) {
        self.series.remove(series);
    }

    fn reset(&mut self) {
        self.series.clear();
    }
}
