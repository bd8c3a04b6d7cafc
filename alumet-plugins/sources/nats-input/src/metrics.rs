//! The metrics of this plugin: one table.

use alumet_core::unit::Unit;

alumet_core::metrics! {
    pub NATS_PENDING_MESSAGES = Gauge<u64> {
        name: "nats_pending_messages",
        unit: Unit::ONE,
        description: "Messages in the stream that no program was given yet which shares the consumer.",
        resources: ["local_machine"],
        consumers: ["local_machine"],
        attributes: [],
    };
    pub NATS_DUPLICATES = Delta<u64> {
        name: "nats_duplicates",
        unit: Unit::ONE,
        description: "Messages that were delivered again although they were stored, and were dropped.",
        resources: ["local_machine"],
        consumers: ["local_machine"],
        attributes: [],
    };
    pub NATS_DEAD_LETTERS = Delta<u64> {
        name: "nats_dead_letters",
        unit: Unit::ONE,
        description: "Messages that could not be read or were delivered too often, and became dead letters.",
        resources: ["local_machine"],
        consumers: ["local_machine"],
        attributes: [],
    };
}
