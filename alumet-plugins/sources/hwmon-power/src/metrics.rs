//! The metrics of this plugin: one table.

use alumet_core::unit::Unit;

alumet_core::metrics! {
    pub HWMON_POWER = Gauge<f64> {
        name: "hwmon_power",
        unit: Unit::WATT,
        description: "Power that a sensor of the board or of a device shows: the mean of the driver's own interval where there is \
                      one, otherwise that of the moment.",
        attributes: ["chip", "sensor", "label"],
    };
    pub HWMON_ENERGY = Delta<f64> {
        name: "hwmon_energy",
        unit: Unit::JOULE,
        description: "Energy that a sensor of the board or of a device counted.",
        attributes: ["chip", "sensor", "label"],
    };
    pub BATTERY_POWER = Gauge<f64> {
        name: "battery_power",
        unit: Unit::WATT,
        description: "Power that is drawn from a battery of the machine; there is none while it does not discharge.",
        attributes: ["battery"],
    };
    pub HWMON_REFUSED_VALUES = Delta<u64> {
        name: "hwmon_refused_values",
        unit: Unit::ONE,
        description: "Readings of sensors and batteries that were refused, and intervals whose energy is not known.",
        attributes: ["reason=reset|excess|ambiguous|suspended|unreadable"],
    };
}
