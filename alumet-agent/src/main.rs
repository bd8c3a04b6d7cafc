//! The standard agent: every plugin that its cargo features choose.

mod plugins;

use std::process::ExitCode;

use alumet_agent::{App, Lookup, PowerOf, Shortcut};

fn main() -> ExitCode {
    App::new(
        "alumet-agent",
        env!("CARGO_PKG_VERSION"),
        "Measures energy and performance of this machine.",
    )
    .plugins(plugins::compiled())
    // They start on every machine: without hardware, server or permission.
    .enabled_by_default([
        "procfs",
        "rapl",
        "energy-attribution",
        "energy-estimation-tdp",
        "csv",
    ])
    .common_keys([
        "plugins.csv.output_path",
        "plugins.csv.dialect",
        "plugins.csv.max_total_size",
        "plugins.csv.unchanged_interval",
        "plugins.energy-estimation-tdp.tdp",
        "plugins.procfs.processes.enabled",
        "plugins.rapl.poll_interval",
    ])
    .plugin_default(
        "energy-estimation-tdp",
        "only_without",
        vec!["rapl_consumed_energy"],
    )
    // What runs for months must not fill the disk.
    .plugin_initial("csv", "max_total_size", "1 GiB")
    // Any tool reads it as it is; a file that is older goes on as it was begun.
    .plugin_initial("csv", "dialect", "plain")
    // Most processes of a machine do nothing most of the time.
    .plugin_initial_of_run("csv", "unchanged_interval", "5m")
    .measured_by_top(include_str!("top.toml"))
    .enabled_for_programs(["rapl", "nvml", "energy-attribution", "energy-estimation-tdp"])
    // Of all processes, those that are announced; of the machine, what the program may have changed.
    .program_default(
        "procfs",
        toml::toml! {
            processes.strategy = "event"
            memory.metrics = ["MemTotal", "MemAvailable"]
            network.enabled = false
            disks.enabled = false
            load.enabled = false
            pressure.enabled = false
            cpu_frequency.enabled = false
            temperatures.enabled = false
        },
    )
    .labels_by("annotate", "attributes")
    .lookup(Lookup {
        flag: "pod",
        value_name: "[NAMESPACE/]NAME",
        help: "A pod of Kubernetes on this node, by the plugin k8s",
        what: "pod",
        plugin: "k8s",
        attributes: &["namespace/name", "name"],
    })
    .lookup(Lookup {
        flag: "container",
        value_name: "NAME",
        help: "A container, by its name or the beginning of its id, by the plugin containers",
        what: "container",
        plugin: "containers",
        attributes: &["container", "container_id*"],
    })
    .lookup(Lookup {
        flag: "slurm-job",
        value_name: "ID",
        help: "A job of Slurm, by the plugin slurm",
        what: "job of Slurm",
        plugin: "slurm",
        attributes: &["job_id"],
    })
    .lookup(Lookup {
        flag: "oar-job",
        value_name: "ID",
        help: "A job of OAR, by the plugin oar",
        what: "job of OAR",
        plugin: "oar",
        attributes: &["job_id"],
    })
    .power_balance(
        [
            power("redfish_power", None, "the controller (Redfish)"),
            power("ipmi_power", None, "the controller (IPMI)"),
            power("cray_pm_power", Some(("domain", "node")), "the node controller"),
        ],
        [
            power(
                "rapl_consumed_energy",
                Some(("domain", "package_total")),
                "CPU packages",
            ),
            power("rapl_consumed_energy", Some(("domain", "dram_total")), "memory"),
            power("nvml_energy_consumption", None, "GPUs"),
            power("nvml_estimated_energy_consumption", None, "GPUs"),
            power("amd_gpu_energy_consumption", None, "GPUs"),
            power("intel_gpu_energy", None, "GPUs"),
        ],
    )
    .shortcut(Shortcut {
        flag: "output-file",
        value_name: "FILE",
        key: "plugins.csv.output_path",
        help: "Write the samples to this CSV file",
        enables: None,
    })
    .shortcut(Shortcut {
        flag: "relay-out",
        value_name: "ADDRESS",
        key: "plugins.relay-client.relay_server",
        help: "Send the samples to the server at this address and port, with the plugin relay-client",
        enables: Some("relay-client"),
    })
    .shortcut(Shortcut {
        flag: "relay-in",
        value_name: "ADDRESS",
        key: "plugins.relay-server.address",
        help: "Receive what other agents measure at this address and port, with the plugin relay-server",
        enables: Some("relay-server"),
    })
    .main()
}

const fn power(
    metric: &'static str,
    attribute: Option<(&'static str, &'static str)>,
    what: &'static str,
) -> PowerOf {
    PowerOf {
        metric,
        attribute,
        what,
    }
}
