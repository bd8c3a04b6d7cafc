//! The standard agent: every plugin that its cargo features choose.

mod plugins;

use std::process::ExitCode;

use alumet_agent::{App, Shortcut};

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
    .plugin_default(
        "energy-estimation-tdp",
        "only_without",
        vec!["rapl_consumed_energy"],
    )
    .measured_by_top(include_str!("top.toml"))
    .enabled_for_programs(["rapl", "energy-attribution", "energy-estimation-tdp"])
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
