//! The metrics of control groups: one table.

use alumet_core::metric::MetricDoc;
use alumet_core::unit::Unit;

alumet_core::metrics! {
    pub CPU_TIME_DELTA = Delta<u64> {
        name: "cpu_time_delta",
        unit: Unit::SECOND.nano(),
        description: "CPU time that a control group and those below it used.",
        consumers: ["cgroup"],
        attributes: ["kind=total|user|system"],
    };
    pub CPU_PERCENT = Gauge<f64> {
        name: "cpu_percent",
        unit: Unit::PERCENT,
        description: "CPU time that a control group used, relative to what the machine or one CPU could give.",
        consumers: ["cgroup"],
        attributes: ["kind=total|user|system"],
    };
    pub MEMORY_USAGE = Gauge<u64> {
        name: "memory_usage",
        unit: Unit::BYTE,
        description: "Memory that a control group uses, page cache included.",
        consumers: ["cgroup"],
    };
    pub MEMORY_MAX = Gauge<f64> {
        name: "memory_max",
        unit: Unit::BYTE,
        description: "The most memory that a control group may use; -1 without a limit.",
        consumers: ["cgroup"],
    };
    pub SWAP_CURRENT = Gauge<u64> {
        name: "cgroup_memory_swap_current",
        unit: Unit::BYTE,
        description: "Swap that a control group uses.",
        consumers: ["cgroup"],
    };
    pub SWAP_MAX = Gauge<f64> {
        name: "cgroup_memory_swap_max",
        unit: Unit::BYTE,
        description: "The most swap that a control group may use; -1 without a limit.",
        consumers: ["cgroup"],
    };
    pub ANONYMOUS = Gauge<u64> {
        name: "cgroup_memory_anonymous",
        unit: Unit::BYTE,
        description: "Memory of a control group that is in no file, such as heaps and stacks.",
        consumers: ["cgroup"],
    };
    pub FILE = Gauge<u64> {
        name: "cgroup_memory_file",
        unit: Unit::BYTE,
        description: "Memory of a control group that holds the content of files.",
        consumers: ["cgroup"],
    };
    pub KERNEL_STACK = Gauge<u64> {
        name: "cgroup_memory_kernel_stack",
        unit: Unit::BYTE,
        description: "Memory of the kernel stacks of a control group.",
        consumers: ["cgroup"],
    };
    pub PAGETABLES = Gauge<u64> {
        name: "cgroup_memory_pagetables",
        unit: Unit::BYTE,
        description: "Memory of the page tables of a control group.",
        consumers: ["cgroup"],
    };
    pub SLAB_RECLAIMABLE = Gauge<u64> {
        name: "cgroup_slab_reclaimable",
        unit: Unit::BYTE,
        description: "Kernel objects of a control group that could be reclaimed.",
        consumers: ["cgroup"],
    };
    pub PSWPIN = Counter<u64> {
        name: "cgroup_pswpin",
        unit: Unit::ONE,
        description: "Pages that were swapped in since the control group was made.",
        consumers: ["cgroup"],
    };
    pub PSWPOUT = Counter<u64> {
        name: "cgroup_pswpout",
        unit: Unit::ONE,
        description: "Pages that were swapped out since the control group was made.",
        consumers: ["cgroup"],
    };
    pub IO_PRESSURE_SOME = Delta<u64> {
        name: "io_pressure_some_total",
        unit: Unit::SECOND.micro(),
        description: "Time in which some threads of a control group were held up by I/O.",
        consumers: ["cgroup"],
    };
    pub IO_PRESSURE_FULL = Delta<u64> {
        name: "io_pressure_full_total",
        unit: Unit::SECOND.micro(),
        description: "Time in which all threads of a control group were held up by I/O.",
        consumers: ["cgroup"],
    };
    pub STALL_TIME = Delta<u64> {
        name: "cgroup_pressure_stall_time",
        unit: Unit::SECOND.micro(),
        description: "Time in which some or all threads of a control group were held up for lack of a resource.",
        consumers: ["cgroup"],
        attributes: ["resource=cpu|memory|io|irq", "kind=some|full"],
    };
    pub IO_BYTES = Delta<u64> {
        name: "cgroup_io_bytes",
        unit: Unit::BYTE,
        description: "Data that a control group read from, wrote to or discarded on a block device.",
        consumers: ["cgroup"],
        attributes: ["device", "direction=read|write|discard"],
    };
    pub IO_OPERATIONS = Delta<u64> {
        name: "cgroup_io_operations",
        unit: Unit::ONE,
        description: "Requests of a control group to a block device.",
        consumers: ["cgroup"],
        attributes: ["device", "direction=read|write|discard"],
    };
    pub THROTTLED_TIME = Delta<u64> {
        name: "cgroup_cpu_throttled_time",
        unit: Unit::SECOND.nano(),
        description: "Time in which a control group was held up by its limit of CPU bandwidth, summed over CPUs.",
        consumers: ["cgroup"],
    };
    pub THROTTLED_PERIODS = Delta<u64> {
        name: "cgroup_cpu_throttled_periods",
        unit: Unit::ONE,
        description: "Periods in which a control group reached its limit of CPU bandwidth.",
        consumers: ["cgroup"],
    };
    pub PERIODS = Delta<u64> {
        name: "cgroup_cpu_periods",
        unit: Unit::ONE,
        description: "Periods in which a control group with a limit of CPU bandwidth could run.",
        consumers: ["cgroup"],
    };
    pub PIDS = Gauge<u64> {
        name: "cgroup_pids",
        unit: Unit::ONE,
        description: "Processes and threads in a control group and those below it.",
        consumers: ["cgroup"],
    };
    pub UNRESOLVED = Gauge<u64> {
        name: "cgroup_unresolved",
        unit: Unit::ONE,
        description: "Control groups of pods, jobs or containers of which not all is known, by what is missing. Only plugins that \
                      name control groups have it.",
        attributes: ["source", "reason"],
    };
    pub MEMORY_EVENTS = Delta<u64> {
        name: "cgroup_memory_events",
        unit: Unit::ONE,
        description: "How often a memory limit of a control group acted.",
        consumers: ["cgroup"],
        attributes: ["event=low|high|max|oom|oom_kill"],
    };
}

/// The same metrics in a plugin that gives control groups these attributes.
pub fn all_with(attributes: &[&'static str]) -> Vec<MetricDoc> {
    let mut all = all();
    for metric in all.iter_mut().filter(|metric| metric.consumers == ["cgroup"]) {
        // A list for each metric and call: it is asked for once or twice in the life of a program.
        metric.attributes = [metric.attributes, attributes].concat().leak();
    }
    all
}
