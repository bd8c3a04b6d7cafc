//! The metrics of this plugin: one table.

use alumet_core::unit::Unit;

alumet_core::metrics! {
    pub AMD_GPU_ENERGY_CONSUMPTION = Delta<f64> {
        name: "amd_gpu_energy_consumption",
        unit: Unit::JOULE.milli(),
        description: "Energy that the graphics processor used: counted, or integrated from its power and then modelled.",
        resources: ["gpu"],
    };
    pub AMD_GPU_POWER_CONSUMPTION = Gauge<f64> {
        name: "amd_gpu_power_consumption",
        unit: Unit::WATT,
        description: "Power of the graphics processor: the mean of the driver's own interval where there is one, otherwise that of \
                      the moment.",
        resources: ["gpu"],
        attributes: ["rail"],
    };
    pub AMD_GPU_ACTIVITY_USAGE = Gauge<f64> {
        name: "amd_gpu_activity_usage",
        unit: Unit::PERCENT,
        description: "Time in which a part of the graphics processor works.",
        resources: ["gpu"],
        attributes: ["activity_type=graphic_core|memory_management|unified_memory_controller"],
    };
    pub AMD_GPU_MEMORY_USAGE = Gauge<u64> {
        name: "amd_gpu_memory_usage",
        unit: Unit::BYTE,
        description: "Memory that is in use, by its kind.",
        resources: ["gpu"],
        attributes: ["memory_type=memory_video_computing|memory_graphic_translation_table"],
    };
    pub AMD_GPU_TEMPERATURE = Gauge<f64> {
        name: "amd_gpu_temperature",
        unit: Unit::CELSIUS,
        description: "Temperature of a part of the graphics processor.",
        resources: ["gpu"],
        attributes: ["thermal_zone"],
    };
    pub AMD_GPU_VOLTAGE = Gauge<u64> {
        name: "amd_gpu_voltage",
        unit: Unit::VOLT.milli(),
        description: "Voltage of a rail of the graphics processor.",
        resources: ["gpu"],
        attributes: ["rail"],
    };
    pub AMD_GPU_CLOCK = Gauge<u64> {
        name: "amd_gpu_clock",
        unit: Unit::HERTZ,
        description: "Frequency of a clock of the graphics processor.",
        resources: ["gpu"],
        attributes: ["clock"],
    };
    pub AMD_GPU_FAN_SPEED = Gauge<u64> {
        name: "amd_gpu_fan_speed",
        unit: Unit::custom("/min", "rpm"),
        description: "Revolutions of the fan per minute.",
        resources: ["gpu"],
    };
    pub AMD_GPU_PROCESS_ENGINE_GFX = Delta<u64> {
        name: "amd_gpu_process_engine_gfx",
        unit: Unit::SECOND.nano(),
        description: "Time in which the graphics engine worked for the process.",
        resources: ["gpu"],
        consumers: ["process"],
        attributes: ["process_name", "cgroup"],
    };
    pub AMD_GPU_PROCESS_ENGINE_USAGE_ENCODE = Delta<u64> {
        name: "amd_gpu_process_engine_usage_encode",
        unit: Unit::SECOND.nano(),
        description: "Time in which the video encoder worked for the process.",
        resources: ["gpu"],
        consumers: ["process"],
        attributes: ["process_name", "cgroup"],
    };
    pub AMD_GPU_PROCESS_ENGINE_TIME = Delta<u64> {
        name: "amd_gpu_process_engine_time",
        unit: Unit::SECOND.nano(),
        description: "Time in which any other engine worked for the process.",
        resources: ["gpu"],
        consumers: ["process"],
        attributes: ["process_name", "cgroup", "engine"],
    };
    pub AMD_GPU_PROCESS_COMPUTE_UNIT_OCCUPANCY = Gauge<f64> {
        name: "amd_gpu_process_compute_unit_occupancy",
        unit: Unit::PERCENT,
        description: "Compute units that work for the process, of all that the graphics processor has.",
        resources: ["gpu"],
        consumers: ["process"],
        attributes: ["process_name", "cgroup"],
    };
    pub AMD_GPU_PROCESS_MEMORY_USAGE = Gauge<u64> {
        name: "amd_gpu_process_memory_usage",
        unit: Unit::BYTE,
        description: "Memory of all kinds that the process holds for the graphics processor.",
        resources: ["gpu"],
        consumers: ["process"],
        attributes: ["process_name", "cgroup"],
    };
    pub AMD_GPU_PROCESS_MEMORY_USAGE_VRAM = Gauge<u64> {
        name: "amd_gpu_process_memory_usage_vram",
        unit: Unit::BYTE,
        description: "Memory of the graphics processor that the process holds.",
        resources: ["gpu"],
        consumers: ["process"],
        attributes: ["process_name", "cgroup"],
    };
    pub AMD_GPU_PROCESS_MEMORY_USAGE_GTT = Gauge<u64> {
        name: "amd_gpu_process_memory_usage_gtt",
        unit: Unit::BYTE,
        description: "Memory of the machine that the process holds and the graphics processor can reach (GTT).",
        resources: ["gpu"],
        consumers: ["process"],
        attributes: ["process_name", "cgroup"],
    };
    pub AMD_GPU_PROCESS_MEMORY_USAGE_CPU = Gauge<u64> {
        name: "amd_gpu_process_memory_usage_cpu",
        unit: Unit::BYTE,
        description: "Memory of the machine that the process holds and the graphics processor cannot reach now.",
        resources: ["gpu"],
        consumers: ["process"],
        attributes: ["process_name", "cgroup"],
    };
    pub AMD_GPU_REFUSED_VALUES = Delta<u64> {
        name: "amd_gpu_refused_values",
        unit: Unit::ONE,
        description: "Readings of sensors that were refused, and intervals whose energy is not known.",
        attributes: ["reason=reset|excess|ambiguous|suspended|unreadable"],
    };
}
