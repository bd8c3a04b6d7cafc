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
    // They need no hardware, no server and no permission.
    .enabled_by_default(["procfs", "csv"])
    .shortcut(Shortcut::new(
        "output-file",
        "FILE",
        "plugins.csv.output_path",
        "Write the samples to this CSV file",
    ))
    .shortcut(
        Shortcut::new(
            "relay-out",
            "ADDRESS",
            "plugins.relay-client.relay_server",
            "Send the samples to the server at this address and port, with the plugin relay-client",
        )
        .enabling("relay-client"),
    )
    .shortcut(
        Shortcut::new(
            "relay-in",
            "ADDRESS",
            "plugins.relay-server.address",
            "Receive what other agents measure at this address and port, with the plugin relay-server",
        )
        .enabling("relay-server"),
    )
    .main()
}
