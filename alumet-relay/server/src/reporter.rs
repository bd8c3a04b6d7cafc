//! The metrics of the server itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use alumet_core::batch::Batch;
use alumet_core::catalog::MetricHandle;
use alumet_core::pipeline::EventSink;
use alumet_core::series::Series;
use alumet_core::{Consumer, Resource};
use hashbrown::HashMap;

use crate::refusal::Reason;
use crate::registry::Node;
use crate::state::ServerState;

/// Makes samples of what was counted.
#[derive(Debug)]
pub(crate) struct Reporter {
    state: Arc<ServerState>,
    clients: Option<Series<u64>>,
    nodes: HashMap<Arc<str>, NodeSeries>,
    refused: HashMap<Reason, Series<u64>>,
}

/// The series of a node, kept while it is connected.
#[derive(Debug)]
struct NodeSeries {
    samples: Series<u64>,
    bytes: Series<u64>,
    duplicates: Series<u64>,
}

impl Reporter {
    pub(crate) fn new(state: Arc<ServerState>) -> Self {
        Self {
            state,
            clients: None,
            nodes: HashMap::new(),
            refused: HashMap::new(),
        }
    }

    /// What was counted since the last report.
    pub(crate) fn report(&mut self, sink: &EventSink) -> Batch {
        let state = Arc::clone(&self.state);
        let (mut batch, now) = (sink.batch(), sink.now().wall);
        let series = |metric: MetricHandle<u64>| {
            sink.catalog()
                .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
        };
        let of_node = |metric, node: &Node| {
            let key = state.config.node_attribute.clone();
            series(metric).attribute(key, node.name.to_string()).register()
        };
        let mut clients = 0;
        for node in state.registry.nodes() {
            clients += node.sessions() as u64;
            let known = self
                .nodes
                .entry(Arc::clone(&node.name))
                .or_insert_with(|| NodeSeries {
                    samples: of_node(state.metrics.received_samples, &node),
                    bytes: of_node(state.metrics.received_bytes, &node),
                    duplicates: of_node(state.metrics.duplicates, &node),
                });
            for (series, counter) in [
                (&known.samples, &node.samples),
                (&known.bytes, &node.bytes),
                (&known.duplicates, &node.duplicates),
            ] {
                batch.push(series, now, take(counter));
            }
            if !node.is_connected() {
                self.nodes.remove(&node.name);
            }
        }
        let of_server = self
            .clients
            .get_or_insert_with(|| series(state.metrics.clients).register());
        batch.push(of_server, now, clients);
        for (reason, count) in state.refusals.take().filter(|(_, count)| *count > 0) {
            let known = self.refused.entry(reason);
            let refused = known.or_insert_with(|| {
                let series = series(state.metrics.refused);
                series.attribute("reason", reason.name()).register()
            });
            batch.push(refused, now, count);
        }
        batch
    }
}

fn take(counter: &AtomicU64) -> u64 {
    counter.swap(0, Ordering::Relaxed)
}
