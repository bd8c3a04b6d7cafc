//! The metrics of this plugin: one table.

use alumet_core::unit::Unit;

alumet_core::metrics! {
    pub REDFISH_POWER = Gauge<f64> {
        name: "redfish_power",
        unit: Unit::WATT,
        description: "Power that the management controller shows.",
        attributes: ["chassis", "sensor"],
    };
    pub REDFISH_ENERGY = Delta<f64> {
        name: "redfish_energy",
        unit: Unit::JOULE,
        description: "Energy that the management controller counted.",
        attributes: ["chassis", "sensor"],
    };
    pub REDFISH_REFUSED_VALUES = Delta<u64> {
        name: "redfish_refused_values",
        unit: Unit::ONE,
        description: "Readings that were refused, and intervals whose energy is not known.",
        attributes: ["reason=reset|excess|ambiguous|suspended|unreadable"],
    };
}
