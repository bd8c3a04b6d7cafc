//! What all connections share.

use std::sync::Arc;

use alumet_core::catalog::{Catalog, MetricHandle};
use alumet_core::pipeline::EventSink;
use alumet_core::spool::Spool;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::error::ServerError;
use crate::metrics;
use crate::refusal::Refusals;
use crate::registry::Registry;
use crate::trust::Trust;

/// What is known of clients. It outlives a restart of the source.
#[derive(Debug)]
pub(crate) struct ServerState {
    pub(crate) config: Config,
    pub(crate) trust: Trust,
    pub(crate) spool: SharedSpool,
    pub(crate) metrics: Metrics,
    pub(crate) registry: Registry,
    pub(crate) refusals: Refusals,
}

/// The metrics of the server, registered.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) clients: MetricHandle<u64>,
    pub(crate) received_samples: MetricHandle<u64>,
    pub(crate) received_bytes: MetricHandle<u64>,
    pub(crate) duplicates: MetricHandle<u64>,
    pub(crate) gap_samples: MetricHandle<u64>,
    pub(crate) refused: MetricHandle<u64>,
}

/// Where what comes is stored durably.
pub(crate) struct SharedSpool(pub(crate) Arc<dyn Spool>);

/// A server that runs: what it knows, where samples go, and when it ends.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) state: Arc<ServerState>,
    pub(crate) sink: EventSink,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl ServerState {
    pub(crate) fn new(config: Config, catalog: &Catalog, spool: Arc<dyn Spool>) -> Result<Self, ServerError> {
        Ok(Self {
            trust: Trust::read(&config)?,
            config,
            spool: SharedSpool(spool),
            metrics: Metrics::register(catalog)?,
            registry: Registry::default(),
            refusals: Refusals::default(),
        })
    }
}

impl Metrics {
    fn register(catalog: &Catalog) -> Result<Self, ServerError> {
        Ok(Self {
            clients: catalog.metric(&metrics::RELAY_CLIENTS)?,
            received_samples: catalog.metric(&metrics::RELAY_RECEIVED_SAMPLES)?,
            received_bytes: catalog.metric(&metrics::RELAY_RECEIVED_BYTES)?,
            duplicates: catalog.metric(&metrics::RELAY_DUPLICATES)?,
            gap_samples: catalog.metric(&metrics::RELAY_GAP_SAMPLES)?,
            refused: catalog.metric(&metrics::RELAY_REFUSED)?,
        })
    }
}

impl std::ops::Deref for SharedSpool {
    type Target = dyn Spool;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

/// Its identity.
impl std::fmt::Debug for SharedSpool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SharedSpool({})", self.0.instance())
    }
}
