//! Why a table cannot be measured.

use alumet_core::catalog::{IncompatibleMetric, TypeMismatch};
use alumet_reader_procfs::{ReadError, is_exhausted};

/// The reason.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TableError {
    /// Its files cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The name of a metric is taken.
    #[error(transparent)]
    Metric(#[from] IncompatibleMetric),
    /// A metric of that name has values of another type.
    #[error(transparent)]
    Type(#[from] TypeMismatch),
}

impl TableError {
    /// Whether its files could not be opened for lack of a descriptor, which tells nothing of them.
    pub(crate) fn is_for_now(&self) -> bool {
        matches!(self, Self::Read(ReadError::Io { error, .. }) if is_exhausted(error))
    }
}
