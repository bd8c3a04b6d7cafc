//! Every metric of the plugin, in one table.

use alumet_core::unit::Unit;

alumet_core::metrics! {
    pub RELAY_CLIENTS = Gauge<u64> {
        name: "relay_clients",
        unit: Unit::ONE,
        description: "Clients that have a session.",
        resources: ["local_machine"],
        consumers: ["local_machine"],
        attributes: [],
    };
    pub RELAY_RECEIVED_SAMPLES = Delta<u64> {
        name: "relay_received_samples",
        unit: Unit::ONE,
        description: "Samples that a client sent and the pipeline took, duplicates not counted.",
        resources: ["local_machine"],
        consumers: ["local_machine"],
        attributes: ["node"],
    };
    pub RELAY_RECEIVED_BYTES = Delta<u64> {
        name: "relay_received_bytes",
        unit: Unit::BYTE,
        description: "Payload of all messages of a client, as it came over the network inside TLS and HTTP/2.",
        resources: ["local_machine"],
        consumers: ["local_machine"],
        attributes: ["node"],
    };
    pub RELAY_DUPLICATES = Delta<u64> {
        name: "relay_duplicates",
        unit: Unit::ONE,
        description: "Batches that came again because the client had no acknowledgement, and were dropped.",
        resources: ["local_machine"],
        consumers: ["local_machine"],
        attributes: ["node"],
    };
    pub RELAY_GAP_SAMPLES = Delta<u64> {
        name: "relay_gap_samples",
        unit: Unit::ONE,
        description: "Samples that a client had measured and lost before it could send them.",
        resources: ["local_machine"],
        consumers: ["local_machine"],
        attributes: ["node", "reason=full|expired|damaged|too_large|unknown"],
    };
    pub RELAY_REFUSED = Delta<u64> {
        name: "relay_refused",
        unit: Unit::ONE,
        description: "Connections, sessions and batches that were refused.",
        resources: ["local_machine"],
        consumers: ["local_machine"],
        attributes: ["reason=tls|slow|busy|credentials|identity|version|copied|message|damaged|limit"],
    };
}
