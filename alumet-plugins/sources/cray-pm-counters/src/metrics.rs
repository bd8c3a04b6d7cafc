//! The metrics of this plugin: one table.

use alumet_core::unit::Unit;

alumet_core::metrics! {
    pub CRAY_PM_ENERGY = Delta<f64> {
        name: "cray_pm_energy",
        unit: Unit::JOULE,
        description: "Energy that the node controller counted. That of the node contains all others.",
        attributes: ["domain"],
    };
    pub CRAY_PM_POWER = Gauge<f64> {
        name: "cray_pm_power",
        unit: Unit::WATT,
        description: "Power that the node controller measured last. That of the node contains all others.",
        attributes: ["domain"],
    };
    pub CRAY_PM_TEMPERATURE = Gauge<f64> {
        name: "cray_pm_temperature",
        unit: Unit::CELSIUS,
        description: "Temperature that the node controller measured last.",
        attributes: ["domain"],
    };
    pub CRAY_PM_REFUSED_VALUES = Delta<u64> {
        name: "cray_pm_refused_values",
        unit: Unit::ONE,
        description: "Readings that were refused, and intervals whose energy is not known.",
        attributes: ["reason=reset|excess|ambiguous|suspended|unreadable"],
    };
}
