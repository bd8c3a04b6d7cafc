//! The metrics of this plugin: one table.

use alumet_core::unit::Unit;

alumet_core::metrics! {
    pub RAPL_CONSUMED_ENERGY = Delta<f64> {
        name: "rapl_consumed_energy",
        unit: Unit::JOULE,
        description: "Energy that a domain of the processor consumed. `package` contains `pp0` (cores), `pp1` (graphics) and `core`, \
                      `platform` contains all; a `_total` is the sum of its domain over packages and dies.",
        resources: ["local_machine", "cpu_package", "dram", "cpu_core"],
        attributes: [
            "domain=package|pp0|pp1|dram|platform|core|package_total|pp0_total|pp1_total|dram_total|platform_total",
            "die",
        ],
    };
    pub RAPL_REFUSED_INTERVALS = Delta<u64> {
        name: "rapl_refused_intervals",
        unit: Unit::ONE,
        description: "Intervals of a counter whose energy is not known, and therefore left out.",
        attributes: ["reason=reset|excess|ambiguous|suspended|unreadable"],
    };
}
