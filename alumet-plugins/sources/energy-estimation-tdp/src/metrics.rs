//! The metrics of this plugin: one table.

use alumet_core::unit::Unit;

alumet_core::metrics! {
    pub ESTIMATED_CONSUMED_ENERGY = Delta<f64> {
        name: "estimated_consumed_energy",
        unit: Unit::JOULE,
        description: "Energy that the CPUs of the machine are likely to have used, by their load and nominal power.",
        quality: Estimated,
    };
}
