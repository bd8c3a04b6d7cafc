//! The transform: what becomes of samples on their way.

use alumet_core::transform::{Transform, TransformContext};
use alumet_core::{Batch, Failure, SeriesId};

/// Removes the load while it is low; other samples pass.
#[derive(Debug)]
pub(crate) struct HighLoad {
    load: SeriesId,
    threshold: f64,
}

impl HighLoad {
    /// A transform that keeps the samples of `load` from `threshold` on.
    pub(crate) const fn new(load: SeriesId, threshold: f64) -> Self {
        Self { load, threshold }
    }
}

impl Transform for HighLoad {
    fn apply(&mut self, batch: &mut Batch, _: &TransformContext<'_>) -> Result<(), Failure> {
        batch.retain(|sample| sample.series != self.load || sample.value().as_f64() >= self.threshold);
        Ok(())
    }
}
