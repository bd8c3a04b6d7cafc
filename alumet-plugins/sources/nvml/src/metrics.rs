//! The metrics of this plugin: one table.

use alumet_core::unit::Unit;

alumet_core::metrics! {
    pub NVML_ENERGY_CONSUMPTION = Delta<f64> {
        name: "nvml_energy_consumption",
        unit: Unit::JOULE.milli(),
        description: "Energy that the GPU with its memory consumed, as it counts itself.",
        resources: ["gpu"],
    };
    pub NVML_ESTIMATED_ENERGY_CONSUMPTION = Delta<f64> {
        name: "nvml_estimated_energy_consumption",
        unit: Unit::JOULE.milli(),
        description: "Energy of a GPU that does not count it: the integral of its power.",
        quality: Modelled,
        resources: ["gpu"],
    };
    pub NVML_INSTANT_POWER = Gauge<u64> {
        name: "nvml_instant_power",
        unit: Unit::WATT.milli(),
        description: "Power that the GPU with its memory draws. What the driver calls usage is taken where it does not show that of the moment.",
        resources: ["gpu"],
    };
    pub NVML_AVERAGE_POWER = Gauge<u64> {
        name: "nvml_average_power",
        unit: Unit::WATT.milli(),
        description: "Mean power of the last second.",
        resources: ["gpu"],
    };
    pub NVML_POWER_LIMIT = Gauge<u64> {
        name: "nvml_power_limit",
        unit: Unit::WATT.milli(),
        description: "Power to which the GPU is limited.",
        resources: ["gpu"],
    };
    pub NVML_TEMPERATURE_GPU = Gauge<u64> {
        name: "nvml_temperature_gpu",
        unit: Unit::CELSIUS,
        description: "Temperature of the chip.",
        resources: ["gpu"],
    };
    pub NVML_TEMPERATURE_MEMORY = Gauge<u64> {
        name: "nvml_temperature_memory",
        unit: Unit::CELSIUS,
        description: "Temperature of the memory.",
        resources: ["gpu"],
    };
    pub NVML_GPU_UTILIZATION = Gauge<u64> {
        name: "nvml_gpu_utilization",
        unit: Unit::PERCENT,
        description: "Time in which something ran on the GPU, over the last sampling period of the driver.",
        resources: ["gpu"],
    };
    pub NVML_MEMORY_UTILIZATION = Gauge<u64> {
        name: "nvml_memory_utilization",
        unit: Unit::PERCENT,
        description: "Time in which memory of the GPU was read or written: of all, or of a process.",
        resources: ["gpu"],
        consumers: ["local_machine", "process"],
        attributes: ["process_name", "cgroup"],
    };
    pub NVML_SM_UTILIZATION = Gauge<u64> {
        name: "nvml_sm_utilization",
        unit: Unit::PERCENT,
        description: "Time in which a process used the multiprocessors (SM) of the GPU.",
        resources: ["gpu"],
        consumers: ["process"],
        attributes: ["process_name", "cgroup"],
    };
    pub NVML_PROCESS_SM_TIME = Delta<u64> {
        name: "nvml_process_sm_time",
        unit: Unit::SECOND.nano(),
        description: "Time in which a process used the multiprocessors (SM) of the GPU: its share of them times the time since the sample before.",
        resources: ["gpu"],
        consumers: ["process"],
        attributes: ["process_name", "cgroup"],
    };
    pub NVML_ENCODER_UTILIZATION = Gauge<u64> {
        name: "nvml_encoder_utilization",
        unit: Unit::PERCENT,
        description: "Use of the video encoder: by all, or by a process.",
        resources: ["gpu"],
        consumers: ["local_machine", "process"],
        attributes: ["process_name", "cgroup"],
    };
    pub NVML_ENCODER_SAMPLING_PERIOD = Gauge<u64> {
        name: "nvml_encoder_sampling_period",
        unit: Unit::SECOND.micro(),
        description: "The time over which the driver determines the use of the encoder.",
        resources: ["gpu"],
    };
    pub NVML_DECODER_UTILIZATION = Gauge<u64> {
        name: "nvml_decoder_utilization",
        unit: Unit::PERCENT,
        description: "Use of the video decoder: by all, or by a process.",
        resources: ["gpu"],
        consumers: ["local_machine", "process"],
        attributes: ["process_name", "cgroup"],
    };
    pub NVML_DECODER_SAMPLING_PERIOD = Gauge<u64> {
        name: "nvml_decoder_sampling_period",
        unit: Unit::SECOND.micro(),
        description: "The time over which the driver determines the use of the decoder.",
        resources: ["gpu"],
    };
    pub NVML_GPU_MEMORY_INFO = Gauge<u64> {
        name: "nvml_gpu_memory_info",
        unit: Unit::BYTE,
        description: "Memory of a GPU or partition. Drivers before 510 count as used what is reserved.",
        resources: ["gpu", "gpu_partition"],
        attributes: ["kind=free|reserved|total|used"],
    };
    pub NVML_USED_GPU_MEMORY = Gauge<u64> {
        name: "nvml_used_gpu_memory",
        unit: Unit::BYTE,
        description: "Memory that a process has allocated on a GPU or partition.",
        resources: ["gpu", "gpu_partition"],
        consumers: ["process"],
        attributes: ["context=compute|graphics", "compute_instance_id", "process_name", "cgroup"],
    };
    pub NVML_N_COMPUTE_PROCESSES = Gauge<u64> {
        name: "nvml_n_compute_processes",
        unit: Unit::ONE,
        description: "Processes that have a context for computing on the GPU.",
        resources: ["gpu"],
    };
    pub NVML_N_GRAPHIC_PROCESSES = Gauge<u64> {
        name: "nvml_n_graphic_processes",
        unit: Unit::ONE,
        description: "Processes that have a context for graphics on the GPU.",
        resources: ["gpu"],
    };
    pub NVML_STATE = Gauge<u64> {
        name: "nvml_state",
        unit: Unit::ONE,
        description: "1 for the state that the GPU is in, else 0: quiet, with nobody on it; allocated by processes that do not use it; busy.",
        resources: ["gpu"],
        attributes: ["state=quiet|allocated_idle|busy"],
    };
    pub NVML_CLOCK_INFO = Gauge<u64> {
        name: "nvml_clock_info",
        unit: Unit::HERTZ,
        description: "Rate of a clock.",
        resources: ["gpu"],
        attributes: ["clock_type=Graphics|SM|Memory|Video"],
    };
    pub NVML_THROTTLE_REASON = Gauge<u64> {
        name: "nvml_throttle_reason",
        unit: Unit::ONE,
        description: "1 for each reason why clocks are lower than they could be, else 0.",
        resources: ["gpu"],
        attributes: ["reason=gpu_idle|applications_clocks_setting|sw_power_cap|hw_slowdown|sync_boost|sw_thermal_slowdown|hw_thermal_slowdown|hw_power_brake_slowdown|display_clock_setting"],
    };
    pub NVML_FAN_SPEED = Gauge<u64> {
        name: "nvml_fan_speed",
        unit: Unit::PERCENT,
        description: "Speed at which the fan is told to turn, of the highest that is allowed; it can be above 100.",
        resources: ["gpu"],
    };
    pub NVML_ECC_ERRORS = Delta<u64> {
        name: "nvml_ecc_errors",
        unit: Unit::ONE,
        description: "Errors of memories that their codes have found.",
        resources: ["gpu"],
        attributes: ["kind=corrected|uncorrected"],
    };
    pub NVML_REMAPPED_ROWS = Gauge<u64> {
        name: "nvml_remapped_rows",
        unit: Unit::ONE,
        description: "Rows of memory that were replaced because of errors.",
        resources: ["gpu"],
        attributes: ["kind=corrected|uncorrected"],
    };
    pub NVML_ROW_REMAP_FAILURE = Gauge<u64> {
        name: "nvml_row_remap_failure",
        unit: Unit::ONE,
        description: "1 if a row of memory could not be replaced, else 0.",
        resources: ["gpu"],
    };
    pub NVML_XID_ERRORS = Delta<u64> {
        name: "nvml_xid_errors",
        unit: Unit::ONE,
        description: "Critical errors that the driver has told, by their number (Xid).",
        resources: ["gpu"],
        attributes: ["xid"],
    };
    pub NVML_PCIE_BYTES = Delta<u64> {
        name: "nvml_pcie_bytes",
        unit: Unit::BYTE,
        description: "Data that went over PCIe; of GPUs that count it.",
        resources: ["gpu"],
        attributes: ["direction=receive|transmit"],
    };
    pub NVML_PCIE_REPLAYS = Delta<u64> {
        name: "nvml_pcie_replays",
        unit: Unit::ONE,
        description: "What had to be sent again over PCIe.",
        resources: ["gpu"],
    };
    pub NVML_NVLINK_BYTES = Delta<u64> {
        name: "nvml_nvlink_bytes",
        unit: Unit::BYTE.kibi(),
        description: "Data that went over all links of NVLink.",
        resources: ["gpu"],
        attributes: ["direction=receive|transmit"],
    };
    pub NVML_GPM_UTILIZATION = Gauge<f64> {
        name: "nvml_gpm_utilization",
        unit: Unit::PERCENT,
        description: "What the performance monitor measured since the sample before.",
        resources: ["gpu", "gpu_partition"],
        attributes: ["gpm_metric=graphics_util|sm_util|sm_occupancy|integer_util|any_tensor_util|dfma_tensor_util|hmma_tensor_util|imma_tensor_util|dram_bw_util|fp64_util|fp32_util|fp16_util"],
    };
    pub NVML_GPM_THROUGHPUT = Gauge<f64> {
        name: "nvml_gpm_throughput",
        unit: Unit::custom("By/s", "B/s"),
        description: "Data per second that the performance monitor saw since the sample before.",
        resources: ["gpu", "gpu_partition"],
        attributes: ["gpm_metric=pcie_tx_per_sec|pcie_rx_per_sec|nvlink_total_tx_per_sec|nvlink_total_rx_per_sec"],
    };
    pub NVML_DEVICE_INFO = Gauge<u64> {
        name: "nvml_device_info",
        unit: Unit::ONE,
        description: "1 for each GPU, with what it is.",
        resources: ["gpu"],
        attributes: ["uuid", "model", "index", "driver"],
    };
    pub NVML_CALLS = Delta<u64> {
        name: "nvml_calls",
        unit: Unit::ONE,
        description: "Calls to the driver that this plugin made about the GPU.",
        resources: ["gpu"],
    };
    pub NVML_REFUSED_VALUES = Delta<u64> {
        name: "nvml_refused_values",
        unit: Unit::ONE,
        description: "Readings that failed or cannot be, and intervals whose energy is not known.",
        resources: ["gpu"],
        attributes: ["reason=reset|excess|ambiguous|suspended|unreadable"],
    };
}
