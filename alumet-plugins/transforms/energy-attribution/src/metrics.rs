//! The metrics of the three models that are there when nothing is configured: one table.

use alumet_core::unit::Unit;

alumet_core::metrics! {
    pub ATTRIBUTED_ENERGY = Delta<f64> {
        name: "attributed_energy",
        unit: Unit::JOULE,
        description: "Energy of the machine that a process or control group used, by its share of the CPU time. With `part`, what was used by none of them.",
        quality: Modelled,
        resources: ["local_machine"],
        consumers: ["process", "cgroup", "local_machine"],
        attributes: ["part=idle|unattributed", "consumers=process|cgroup", "name", "cmdline", "cgroup", "node"],
    };
    pub PROCESS_TREE_ENERGY = Delta<f64> {
        name: "process_tree_energy",
        unit: Unit::JOULE,
        description: "Energy of the machine that the program of `exec` or `watch` and all its descendants used, by their share of the CPU time. With `part`, what was not used by them.",
        quality: Modelled,
        resources: ["local_machine"],
        consumers: ["process", "local_machine"],
        attributes: ["part=idle|unattributed", "consumers=process", "node"],
    };
    pub ATTRIBUTED_GPU_ENERGY = Delta<f64> {
        name: "attributed_gpu_energy",
        unit: Unit::JOULE,
        description: "Energy of a GPU that a process or control group used, by the time in which it worked for it. With `part`, what was used by none of them.",
        quality: Modelled,
        resources: ["gpu"],
        consumers: ["process", "cgroup", "local_machine"],
        attributes: ["part=unattributed", "consumers=process|cgroup", "process_name", "cgroup", "domain=card", "node"],
    };
}
