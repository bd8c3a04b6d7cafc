//! The metrics of this plugin: one table.

use alumet_core::unit::Unit;

alumet_core::metrics! {
    pub INPUT_CURRENT = Gauge<u64> {
        name: "input_current",
        unit: Unit::AMPERE.milli(),
        description: "Current of a rail of the board.",
        attributes: ["ina_device_number", "ina_i2c_address", "ina_channel_id", "ina_channel_label"],
    };
    pub INPUT_VOLTAGE = Gauge<u64> {
        name: "input_voltage",
        unit: Unit::VOLT.milli(),
        description: "Voltage of a rail of the board.",
        attributes: ["ina_device_number", "ina_i2c_address", "ina_channel_id", "ina_channel_label"],
    };
    pub INPUT_POWER = Gauge<u64> {
        name: "input_power",
        unit: Unit::WATT.milli(),
        description: "Power of a rail of the board: as the driver shows it, or else the product of current and voltage.",
        attributes: ["ina_device_number", "ina_i2c_address", "ina_channel_id", "ina_channel_label"],
    };
    pub INPUT_ENERGY = Delta<f64> {
        name: "input_energy",
        unit: Unit::JOULE.milli(),
        description: "Energy of a rail of the board, integrated from its power.",
        quality: Modelled,
        attributes: ["ina_device_number", "ina_i2c_address", "ina_channel_id", "ina_channel_label"],
    };
    pub JETSON_REFUSED_VALUES = Delta<u64> {
        name: "jetson_refused_values",
        unit: Unit::ONE,
        description: "Readings of sensors that were refused.",
        attributes: ["reason=reset|excess|ambiguous|suspended|unreadable"],
    };
}
