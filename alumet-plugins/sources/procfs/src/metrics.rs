//! The metrics of this plugin: one table.
//!
//! Entries of `/proc/meminfo` that are not in it get a metric when they are configured, see [`crate::source::memory`].

use alumet_core::unit::Unit;

alumet_core::metrics! {
    pub KERNEL_CPU_TIME = Delta<u64> {
        name: "kernel_cpu_time",
        unit: Unit::SECOND.milli(),
        description: "Time that the CPUs spent in a state; `user` and `nice` contain `guest` and `guest_nice`.",
        resources: ["local_machine", "cpu_core"],
        attributes: ["cpu_state=user|nice|system|idle|iowait|irq|softirq|steal|guest|guest_nice"],
    };
    pub KERNEL_CONTEXT_SWITCHES = Delta<u64> {
        name: "kernel_context_switches",
        unit: Unit::ONE,
        description: "Context switches on all CPUs.",
    };
    pub KERNEL_NEW_FORKS = Delta<u64> {
        name: "kernel_new_forks",
        unit: Unit::ONE,
        description: "Processes and threads that were created.",
    };
    pub KERNEL_N_PROCS_RUNNING = Gauge<u64> {
        name: "kernel_n_procs_running",
        unit: Unit::ONE,
        description: "Threads that run or wait for a CPU.",
    };
    pub KERNEL_N_PROCS_BLOCKED = Gauge<u64> {
        name: "kernel_n_procs_blocked",
        unit: Unit::ONE,
        description: "Threads that are blocked, waiting for I/O.",
    };
    pub MEM_TOTAL = Gauge<u64> {
        name: "mem_total",
        unit: Unit::BYTE,
        description: "Usable memory.",
    };
    pub MEM_FREE = Gauge<u64> {
        name: "mem_free",
        unit: Unit::BYTE,
        description: "Memory that is not used for anything.",
    };
    pub MEM_AVAILABLE = Gauge<u64> {
        name: "mem_available",
        unit: Unit::BYTE,
        description: "Memory that new applications could get without swapping, as the kernel estimates it.",
    };
    pub CACHED = Gauge<u64> {
        name: "cached",
        unit: Unit::BYTE,
        description: "Memory that holds the content of files.",
    };
    pub SWAP_CACHED = Gauge<u64> {
        name: "swap_cached",
        unit: Unit::BYTE,
        description: "Memory that was swapped back in and is still in the swap file.",
    };
    pub ACTIVE = Gauge<u64> {
        name: "active",
        unit: Unit::BYTE,
        description: "Memory that was used recently.",
    };
    pub INACTIVE = Gauge<u64> {
        name: "inactive",
        unit: Unit::BYTE,
        description: "Memory that was not used recently and is reclaimed first.",
    };
    pub MAPPED = Gauge<u64> {
        name: "mapped",
        unit: Unit::BYTE,
        description: "Memory of files that are mapped, such as libraries.",
    };
    pub NETWORK_BYTES = Delta<u64> {
        name: "network_bytes",
        unit: Unit::BYTE,
        description: "Data that an interface received or sent.",
        attributes: ["interface", "direction=rx|tx"],
    };
    pub NETWORK_PACKETS = Delta<u64> {
        name: "network_packets",
        unit: Unit::ONE,
        description: "Packets that an interface received or sent.",
        attributes: ["interface", "direction=rx|tx"],
    };
    pub NETWORK_PACKET_DROPS = Delta<u64> {
        name: "network_packet_drops",
        unit: Unit::ONE,
        description: "Packets that were dropped for lack of room or of a receiver.",
        attributes: ["interface", "direction=rx|tx"],
    };
    pub NETWORK_ERRORS = Delta<u64> {
        name: "network_errors",
        unit: Unit::ONE,
        description: "Packets with errors.",
        attributes: ["interface", "direction=rx|tx"],
    };
    pub DISK_BYTES = Delta<u64> {
        name: "disk_bytes",
        unit: Unit::BYTE,
        description: "Data that was read from, written to or discarded on a block device.",
        attributes: ["device", "direction=read|write|discard"],
    };
    pub DISK_OPERATIONS = Delta<u64> {
        name: "disk_operations",
        unit: Unit::ONE,
        description: "Requests that a block device completed.",
        attributes: ["device", "direction=read|write|discard|flush"],
    };
    pub DISK_OPERATION_TIME = Delta<u64> {
        name: "disk_operation_time",
        unit: Unit::SECOND.milli(),
        description: "Time that the completed requests took, summed over the requests.",
        attributes: ["device", "direction=read|write|discard|flush"],
    };
    pub DISK_BUSY_TIME = Delta<u64> {
        name: "disk_busy_time",
        unit: Unit::SECOND.milli(),
        description: "Time with at least one request in flight.",
        attributes: ["device"],
    };
    pub LOAD_AVERAGE = Gauge<f64> {
        name: "load_average",
        unit: Unit::ONE,
        description: "Mean number of threads that run, wait for a CPU or are blocked by I/O.",
        attributes: ["window=1m|5m|15m"],
    };
    pub PRESSURE_STALL_TIME = Delta<u64> {
        name: "pressure_stall_time",
        unit: Unit::SECOND.micro(),
        description: "Time in which some or all threads that had work to do were held up for lack of a resource.",
        attributes: ["stalled=cpu|memory|io|irq", "kind=some|full"],
    };
    pub CPU_FREQUENCY = Gauge<u64> {
        name: "cpu_frequency",
        unit: Unit::HERTZ,
        description: "Present clock frequency of a CPU.",
        resources: ["cpu_core"],
    };
    pub TEMPERATURE = Gauge<f64> {
        name: "temperature",
        unit: Unit::CELSIUS,
        description: "What a temperature sensor shows.",
        attributes: ["chip", "sensor", "label"],
    };
    pub CPU_TIME_DELTA = Delta<u64> {
        name: "cpu_time_delta",
        unit: Unit::SECOND.nano(),
        description: "CPU time that a process used; `user` contains `guest`.",
        consumers: ["process"],
        attributes: ["kind=user|system|guest", "name", "cmdline", "cgroup"],
    };
    pub CPU_PERCENT = Gauge<f64> {
        name: "cpu_percent",
        unit: Unit::PERCENT,
        description: "CPU time that a process used, relative to what the machine or one CPU could give.",
        consumers: ["process"],
        attributes: ["kind=user|system|total", "name", "cmdline", "cgroup"],
    };
    pub MEMORY_USAGE = Gauge<u64> {
        name: "memory_usage",
        unit: Unit::BYTE,
        description: "Memory of a process.",
        consumers: ["process"],
        attributes: ["kind=resident|shared|virtual|proportional", "name", "cmdline", "cgroup"],
    };
    pub PROCESS_IO_BYTES = Delta<u64> {
        name: "process_io_bytes",
        unit: Unit::BYTE,
        description: "Data that a process caused to be fetched from or sent to storage. The kernel adds what a child did to \
                      its parent once that has waited for it, so that sums over a tree count it twice.",
        consumers: ["process"],
        attributes: ["direction=read|write", "name", "cmdline", "cgroup"],
    };
}
