//! The metrics of the server itself.

use alumet_core::batch::Batch;
use alumet_core::pipeline::EventSink;
use alumet_core::time::Timestamp;

use crate::state::{ServerState, of_server};

/// Samples of what was counted since the last report, or the start.
pub(crate) fn report(state: &ServerState, last: Timestamp, now: Timestamp, sink: &EventSink) -> Batch {
    let mut batch = sink.batch();
    let metrics = &state.metrics;
    let mut clients = 0;
    state.registry.look(|node, sessions| {
        clients += sessions as u64;
        for (tally, metric) in [
            (&node.samples, metrics.received_samples),
            (&node.bytes, metrics.received_bytes),
            (&node.duplicates, metrics.duplicates),
        ] {
            tally.tell(&mut batch, node.since, now, || {
                state.of_node(sink.catalog(), metric, &node.name).register()
            });
        }
    });
    batch.push(&metrics.clients, now, clients);
    for (reason, tally) in state.refusals.by_reason() {
        if tally.count() > 0 {
            tally.tell(&mut batch, last, now, || {
                of_server(sink.catalog(), metrics.refused)
                    .attribute("reason", reason.name())
                    .register()
            });
        }
    }
    // Those of clients that have gone, now that the batch has let go of their series.
    sink.catalog().forget_unused_metrics();
    batch
}
