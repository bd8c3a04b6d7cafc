//! The metrics of the server itself.

use std::sync::Arc;

use alumet_core::batch::Batch;
use alumet_core::pipeline::EventSink;
use alumet_core::series::Series;
use alumet_core::time::Timestamp;

use crate::state::{Metrics, ServerState, of_server};

/// Makes samples of what was counted.
pub(crate) struct Reporter {
    state: Arc<ServerState>,
    clients: Series<u64>,
    /// The last report, or the start.
    last: Timestamp,
}

impl Reporter {
    pub(crate) fn new(state: Arc<ServerState>, sink: &EventSink) -> Self {
        Self {
            clients: of_server(sink.catalog(), state.metrics.clients).register(),
            state,
            last: sink.now().wall,
        }
    }

    /// What was counted since the last report.
    pub(crate) fn report(&mut self, sink: &EventSink) -> Batch {
        let (mut batch, now) = (sink.batch(), sink.now().wall);
        let Metrics {
            received_samples,
            received_bytes,
            duplicates,
            refused,
            ..
        } = self.state.metrics;
        let mut clients = 0;
        self.state.registry.look(|node, sessions| {
            clients += sessions as u64;
            for (tally, metric) in [
                (&node.samples, received_samples),
                (&node.bytes, received_bytes),
                (&node.duplicates, duplicates),
            ] {
                tally.tell(&mut batch, node.since, now, || {
                    self.state.of_node(sink.catalog(), metric, &node.name).register()
                });
            }
        });
        batch.push(&self.clients, now, clients);
        for (reason, tally) in self.state.refusals.by_reason() {
            if tally.count() > 0 {
                tally.tell(&mut batch, self.last, now, || {
                    of_server(sink.catalog(), refused)
                        .attribute("reason", reason.name())
                        .register()
                });
            }
        }
        self.last = now;
        batch
    }
}
