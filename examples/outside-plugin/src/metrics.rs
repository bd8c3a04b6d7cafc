//! The metrics of this plugin: one table.

use alumet_core::Unit;

alumet_core::metrics! {
    pub LOAD = Gauge<f64> {
        name: "load_1m",
        unit: Unit::ONE,
        description: "Mean number of tasks that run or wait, of the last minute.",
    };
}
