//! Transforms: what changes samples between sources and outputs.

use crate::batch::Batch;
use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::series::SeriesId;
use crate::time::{Moment, Monotonic};

/// Changes batches in place: adds, removes and alters samples.
///
/// Transforms run one after another, each batch once, in the order in which they were added unless one
/// [must follow](crate::plugin::TransformSpec::after) another or the configuration orders them.
///
/// A transform that *waits* keeps something back, such as the open window of an aggregation, until other samples have
/// come or the time has. It learns from [`Batch::progress`] how far each stream has come; is called at an instant of its
/// choice ([`wake_at`](Self::wake_at), [`tick`](Self::tick)); hears of series that are gone
/// ([`retired`](Self::retired)); and emits at the end what is left ([`finish`](Self::finish)). What it keeps back is in
/// memory only: it is lost if the program is killed, though its inputs are accounted for.
pub trait Transform: Send + 'static {
    /// Changes `batch`.
    ///
    /// # Errors
    /// See [`Failure`]. The batch goes on as it was left; a transform that failed half-way has either kept or
    /// removed each sample.
    fn apply(&mut self, batch: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure>;

    /// Whether it keeps something back and so wants to know how far streams have come that made no samples, and which
    /// series are gone. The answer never changes.
    fn waits(&self) -> bool {
        false
    }

    /// When [`tick`](Self::tick) is to be called though no batch has come; asked after every call.
    fn wake_at(&self) -> Option<Monotonic> {
        None
    }

    /// Emits into `out` what is due at an instant that [`wake_at`](Self::wake_at) gave; transforms after this one take
    /// it from there.
    ///
    /// # Errors
    /// See [`Failure`].
    fn tick(&mut self, out: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        let _ = (out, context);
        Ok(())
    }

    /// Forgets a series, of which no sample will come any more; said once per series, and only to a transform that
    /// [waits](Self::waits). A handle of the series that the transform has itself keeps it from being gone.
    fn retired(&mut self, series: SeriesId) {
        let _ = series;
    }

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
    /// All metrics and series; a transform registers its own series here and keeps their handles. With
    /// [`Catalog::keep`] it gets a handle for a sample that it holds back.
    pub catalog: &'a Catalog,
    /// The present.
    pub now: Moment,
}
