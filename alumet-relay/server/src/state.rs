//! What all connections share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use alumet_core::catalog::{Catalog, MetricHandle};
use alumet_core::pipeline::EventSink;
use alumet_core::plugin::StartError;
use alumet_core::series::{Series, SeriesBuilder};
use alumet_core::spool::Spool;
use alumet_core::{Consumer, Resource};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
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

/// How many bytes may be on their way to the disk: those of a session, or of all clients together.
///
/// What does not fit into the memory of the spool makes its oldest records go, stored or not. So the clients wait before
/// that, for instance while the disk is slow or fails.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    free: Arc<Semaphore>,
    size: u32,
}

impl Room {
    /// For so many bytes, but no more than 4 GiB.
    pub(crate) fn new(bytes: u64) -> Self {
        let size = u32::try_from(bytes).unwrap_or(u32::MAX).max(1);
        Self {
            free: Arc::new(Semaphore::new(size as usize)),
            size,
        }
    }

    /// Half of `memory_bytes`, because the spool encodes anew and others append, too. 0 does not limit anything.
    fn of_spool(memory_bytes: u64) -> Self {
        Self::new(if memory_bytes == 0 {
            u64::MAX
        } else {
            memory_bytes / 2
        })
    }

    /// Waits for room for so many bytes. A batch larger than all the room gets all of it.
    pub(crate) async fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).clamp(1, self.size);
        // It is never closed.
        Arc::clone(&self.free).acquire_many_owned(bytes).await.ok()
    }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn clients_wait_for_half_of_the_memory_of_the_spool() {
        let room = Room::of_spool(40 << 10);
        let first = room.take(15 << 10).await;
        let second = tokio::time::timeout(Duration::from_millis(20), room.take(6 << 10)).await;
        assert!(second.is_err(), "20 KiB are all there is");
        drop(first);
        // More than there is gets all.
        let all = room.take(1 << 30).await;
        let none = tokio::time::timeout(Duration::from_millis(20), room.take(1)).await;
        assert!(none.is_err() && all.is_some());
        assert!(Room::of_spool(0).take(usize::MAX).await.is_some());
    }
}
