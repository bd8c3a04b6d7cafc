//! The metrics of this plugin that do not depend on its configuration: one table.
//!
//! Each event that is configured has one more, see [`crate::plugin`].

use alumet_core::unit::Unit;

alumet_core::metrics! {
    pub PERF_RUNNING_SHARE = Gauge<f64> {
        name: "perf_running_share",
        unit: Unit::ONE,
        description: "Share of the time for which the event that was counted least was counted, since the previous sample; below 1, counts are scaled.",
        resources: ["local_machine", "cpu_core"],
        consumers: ["process", "cgroup", "local_machine"],
    };
    pub PERF_DESCRIPTORS = Gauge<u64> {
        name: "perf_descriptors",
        unit: Unit::ONE,
        description: "Descriptors that are open to count events.",
    };
    pub PERF_LEFT_OUT = Gauge<u64> {
        name: "perf_left_out",
        unit: Unit::ONE,
        description: "Processes, control groups and machines that are to be counted and are not: without room or rights.",
    };
}
