use std::path::PathBuf;
use std::sync::Arc;

use crate::catalog::Catalog;
use crate::events::ConsumerEvents;
use crate::pipeline::Control;
use crate::services::Services;
use crate::spool::SpoolSlot;
use crate::state::StateStore;
use crate::time::Clock;

/// What plugins run in: one per pipeline.
#[derive(Clone)]
pub struct Host {
    /// All metrics and series.
    pub catalog: Catalog,
    /// Where consumer events are published and subscribed to.
    pub events: ConsumerEvents,
    /// The clock of the pipeline.
    pub clock: Arc<dyn Clock>,
    /// What steers the pipeline once it runs.
    pub control: Control,
    /// What several plugins share.
    pub services: Services,
    /// Where batches wait that must not get lost.
    pub spool: SpoolSlot,
    /// What plugins keep over restarts.
    pub state: StateStore,
    /// The folder in which `proc` and `sys` are found.
    pub root: PathBuf,
    /// Whether plugins are only tried: nothing will be measured or written.
    pub is_trial: bool,
}

impl Host {
    /// An empty host on a clock and a root.
    pub fn new(clock: Arc<dyn Clock>, root: impl Into<PathBuf>) -> Self {
        Self {
            catalog: Catalog::new(),
            events: ConsumerEvents::new(),
            clock,
            control: Control::default(),
            services: Services::default(),
            spool: SpoolSlot::default(),
            state: StateStore::default(),
            root: root.into(),
            is_trial: false,
        }
    }

    /// A host on which plugins are only tried: they find out whether they could start, and change nothing.
    pub fn trial(clock: Arc<dyn Clock>, root: impl Into<PathBuf>) -> Self {
        Self {
            is_trial: true,
            ..Self::new(clock, root)
        }
    }
}
