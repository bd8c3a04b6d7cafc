//! The metrics of this plugin: one table.

use alumet_core::unit::Unit;

alumet_core::metrics! {
    pub INTEL_GPU_ENERGY = Delta<f64> {
        name: "intel_gpu_energy",
        unit: Unit::JOULE,
        description: "Energy that the card or its package counted; that of the card contains its package.",
        resources: ["gpu"],
        attributes: ["domain=card|package"],
    };
    pub INTEL_GPU_POWER = Gauge<f64> {
        name: "intel_gpu_power",
        unit: Unit::WATT,
        description: "Power of the card or its package, where the driver shows one.",
        resources: ["gpu"],
        attributes: ["domain=card|package"],
    };
    pub INTEL_GPU_FREQUENCY = Gauge<u64> {
        name: "intel_gpu_frequency",
        unit: Unit::HERTZ,
        description: "Frequency at which a part of the graphics processor (GT) works now; 0 while it sleeps.",
        resources: ["gpu"],
        attributes: ["gt"],
    };
    pub INTEL_GPU_TEMPERATURE = Gauge<f64> {
        name: "intel_gpu_temperature",
        unit: Unit::CELSIUS,
        description: "Temperature of a part of the graphics processor.",
        resources: ["gpu"],
        attributes: ["sensor"],
    };
    pub INTEL_GPU_VOLTAGE = Gauge<u64> {
        name: "intel_gpu_voltage",
        unit: Unit::VOLT.milli(),
        description: "Voltage of the graphics processor.",
        resources: ["gpu"],
        attributes: ["sensor"],
    };
    pub INTEL_GPU_FAN_SPEED = Gauge<u64> {
        name: "intel_gpu_fan_speed",
        unit: Unit::custom("/min", "rpm"),
        description: "Revolutions of a fan per minute.",
        resources: ["gpu"],
        attributes: ["sensor"],
    };
    pub INTEL_GPU_PROCESS_ENGINE_TIME = Delta<u64> {
        name: "intel_gpu_process_engine_time",
        unit: Unit::SECOND.nano(),
        description: "Time in which the engines of a kind worked for the process, all of them together.",
        resources: ["gpu"],
        consumers: ["process"],
        attributes: ["process_name", "cgroup", "engine"],
    };
    pub INTEL_GPU_PROCESS_MEMORY = Gauge<u64> {
        name: "intel_gpu_process_memory",
        unit: Unit::BYTE,
        description: "Memory of a region that the process holds for the graphics processor.",
        resources: ["gpu"],
        consumers: ["process"],
        attributes: ["process_name", "cgroup", "region"],
    };
    pub INTEL_GPU_REFUSED_VALUES = Delta<u64> {
        name: "intel_gpu_refused_values",
        unit: Unit::ONE,
        description: "Readings of sensors that were refused, and intervals whose energy is not known.",
        attributes: ["reason=reset|excess|ambiguous|suspended|unreadable"],
    };
}
