//! What travels between the threads of a pipeline.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use crate::batch::Batch;

use super::element::ElementKey;
use super::queue::Weighted;
use super::router::Router;

/// Something that did not work while a request was carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{element}: {error}")]
pub struct Problem {
    /// The element that it happened to.
    pub element: ElementKey,
    /// What happened.
    pub error: String,
}

/// Follows a request through the pipeline; the request is done when all clones are dropped.
pub(crate) type Ticket = Sender<Problem>;

/// From sources to the router.
pub(crate) enum Ingest {
    Batch(Batch),
    /// What the router is asked to do, in order with the samples.
    Request(Box<dyn FnOnce(&mut Router) + Send>),
}

impl Ingest {
    pub(crate) fn request(request: impl FnOnce(&mut Router) + Send + 'static) -> Self {
        Self::Request(Box::new(request))
    }
}

impl Weighted for Ingest {
    fn weight(&self) -> usize {
        match self {
            Self::Batch(batch) => batch.len(),
            Self::Request(_) => 0,
        }
    }
}

/// From the router to an output.
pub(crate) enum Outgoing {
    Batch(Arc<Batch>),
    /// Something waits in the spool.
    Spooled,
    Flush(Ticket),
}

impl Weighted for Outgoing {
    fn weight(&self) -> usize {
        match self {
            Self::Batch(batch) => batch.len(),
            Self::Spooled | Self::Flush(_) => 0,
        }
    }
}
