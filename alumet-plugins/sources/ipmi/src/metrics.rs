//! The metrics of this plugin: one table.

use alumet_core::unit::Unit;

alumet_core::metrics! {
    pub IPMI_POWER = Gauge<f64> {
        name: "ipmi_power",
        unit: Unit::WATT,
        description: "Power of the whole machine that the management controller shows.",
    };
}
