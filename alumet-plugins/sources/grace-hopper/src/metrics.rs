//! The metrics of this plugin: one table.

use alumet_core::unit::Unit;

alumet_core::metrics! {
    pub GRACE_INSTANT_POWER = Gauge<u64> {
        name: "grace_instant_power",
        unit: Unit::WATT.micro(),
        description: "Power of a part of the superchip, as the mean of the sensor's own interval.",
        resources: ["cpu_package", "dram", "local_machine"],
        attributes: [
            "sensor=module|grace|cpu|sysio|dram|module_total|grace_total|cpu_total|sysio_total|dram_total|total",
        ],
    };
    pub GRACE_ENERGY_CONSUMPTION = Delta<f64> {
        name: "grace_energy_consumption",
        unit: Unit::JOULE.milli(),
        description: "Energy of a part of the superchip, integrated from its power.",
        quality: Modelled,
        resources: ["cpu_package", "dram", "local_machine"],
        attributes: [
            "sensor=module|grace|cpu|sysio|dram|module_total|grace_total|cpu_total|sysio_total|dram_total|total",
        ],
    };
    pub GRACE_REFUSED_VALUES = Delta<u64> {
        name: "grace_refused_values",
        unit: Unit::ONE,
        description: "Readings of sensors that were refused.",
        attributes: ["reason=reset|excess|ambiguous|suspended|unreadable"],
    };
}
