//! The metrics of this plugin: one table.

use alumet_core::unit::Unit;

alumet_core::metrics! {
    pub CARBON_EMISSION = Delta<f64> {
        name: "carbon_emission",
        unit: Unit::custom("g{CO2eq}", "gCO₂eq"),
        description: "Emissions of the electricity that was used, by its carbon intensity.",
        quality: Modelled,
        resources: ["*"],
        consumers: ["*"],
        attributes: ["energy_metric"],
    };
}
