//! What all connections share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use alumet_core::catalog::{Catalog, MetricHandle};
use alumet_core::pipeline::EventSink;
use alumet_core::plugin::StartError;
use alumet_core::series::{Series, SeriesBuilder};
use alumet_core::spool::Spool;
use alumet_core::{Consumer, Resource};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::flow::Room;
use crate::metrics;
use crate::refusal::Refusals;
use crate::registry::Registry;
use crate::throttle::Throttle;
use crate::trust::Trust;

/// What the server goes by. It outlives a restart of the source.
pub(crate) struct ServerState {
    pub(crate) config: Config,
    pub(crate) trust: Trust,
    /// Where what comes is stored durably.
    pub(crate) spool: Arc<dyn Spool>,
    pub(crate) metrics: Metrics,
    /// What is known of clients. It outlives the plugin, so that its successor takes nothing twice.
    pub(crate) registry: Arc<Registry>,
    pub(crate) refusals: Refusals,
    pub(crate) throttle: Throttle,
    pub(crate) room: Room,
    /// A session has another one while it waits until the pipeline takes its batch.
    pub(crate) waits: Arc<()>,
    /// How many batches the pipeline has taken.
    pub(crate) taken: AtomicU64,
    /// How many metrics and series clients may define, less those that they have.
    pub(crate) series: Arc<Semaphore>,
}

/// The metrics of the server, registered.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// Its only series.
    pub(crate) clients: Series<u64>,
    pub(crate) received_samples: MetricHandle<u64>,
    pub(crate) received_bytes: MetricHandle<u64>,
    pub(crate) duplicates: MetricHandle<u64>,
    pub(crate) gap_samples: MetricHandle<u64>,
    pub(crate) refused: MetricHandle<u64>,
}

/// A server that runs: what it knows, where samples go, and when it ends.
pub(crate) struct Running {
    pub(crate) state: Arc<ServerState>,
    pub(crate) sink: EventSink,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl ServerState {
    pub(crate) fn new(
        config: Config,
        catalog: &Catalog,
        spool: Arc<dyn Spool>,
        registry: Arc<Registry>,
    ) -> Result<Self, StartError> {
        Ok(Self {
            trust: Trust::read(&config)?,
            series: Arc::new(Semaphore::new(config.max_series as usize)),
            config,
            room: Room::of_spool(spool.status().memory_bytes),
            spool,
            metrics: Metrics::register(catalog)?,
            registry,
            refusals: Refusals::default(),
            throttle: Throttle::default(),
            waits: Arc::default(),
            taken: AtomicU64::new(0),
        })
    }

    /// How many batches were taken, while a session waits with one.
    pub(crate) fn done(&self) -> Option<u64> {
        (Arc::strong_count(&self.waits) > 1).then(|| self.taken.load(Ordering::Relaxed))
    }

    /// The series of what a node sent.
    pub(crate) fn of_node<'a>(
        &self,
        catalog: &'a Catalog,
        metric: MetricHandle<u64>,
        node: &str,
    ) -> SeriesBuilder<'a, u64> {
        of_server(catalog, metric).attribute(self.config.node_attribute.clone(), node.to_owned())
    }
}

/// The series of the server itself.
pub(crate) fn of_server(catalog: &Catalog, metric: MetricHandle<u64>) -> SeriesBuilder<'_, u64> {
    catalog.series(metric, Resource::LocalMachine, Consumer::LocalMachine)
}

impl Metrics {
    fn register(catalog: &Catalog) -> Result<Self, StartError> {
        Ok(Self {
            clients: of_server(catalog, catalog.metric(&metrics::RELAY_CLIENTS)?).register(),
            received_samples: catalog.metric(&metrics::RELAY_RECEIVED_SAMPLES)?,
            received_bytes: catalog.metric(&metrics::RELAY_RECEIVED_BYTES)?,
            duplicates: catalog.metric(&metrics::RELAY_DUPLICATES)?,
            gap_samples: catalog.metric(&metrics::RELAY_GAP_SAMPLES)?,
            refused: catalog.metric(&metrics::RELAY_REFUSED)?,
        })
    }
}
