//! The metrics of this plugin: one table.

use alumet_core::unit::Unit;

alumet_core::metrics! {
    pub DISK_POWER = Gauge<f64> {
        name: "disk_power",
        unit: Unit::WATT,
        description: "Power that a disk draws from all rails of the module that it is plugged into.",
    };
}
