//! Transforms: what changes samples between sources and outputs.

use crate::batch::Batch;
use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::time::Moment;

/// Changes batches in place: adds, removes and alters samples.
///
/// Transforms run one after another, in the order of the configuration, each batch once.
pub trait Transform: Send + 'static {
    /// Changes `batch`.
    ///
    /// # Errors
    /// See [`Failure`]. The batch goes on as it was left; a transform that failed half-way has either kept or
    /// removed each sample.
    fn apply(&mut self, batch: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure>;

    /// Emits into `batch` what it still holds, such as the last window of an aggregation; called once, at the end.
    ///
    /// # Errors
    /// See [`Failure`].
    fn finish(&mut self, batch: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        let _ = (batch, context);
        Ok(())
    }

    /// Forgets all state; called before it is tried again after a failure or panic that asked for a restart.
    fn reset(&mut self) {}
}

/// What a transform may use while it works.
#[derive(Debug)]
pub struct TransformContext<'a> {
    /// All metrics and series; a transform registers its own series here and keeps their handles.
    pub catalog: &'a Catalog,
    /// The present.
    pub now: Moment,
}
