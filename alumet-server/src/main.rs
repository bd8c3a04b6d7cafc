//! The server: receives what many agents measure, and writes it.

mod certs;
mod plugins;

use std::process::ExitCode;

use alumet_agent::{App, ExtraCommand, Shortcut};

fn main() -> ExitCode {
    App::new(
        "alumet-server",
        env!("CARGO_PKG_VERSION"),
        "Receives what many agents measure, and writes it.",
    )
    // An agent in the same folder has other files.
    .config_file("alumet-server-config.toml")
    .plugin_default("csv", "output_path", "alumet-server-output.csv")
    .plugin_default("socket-control", "socket_path", "alumet-server-control.sock")
    .plugins(plugins::compiled())
    .enabled_by_default(["relay-server", "csv"])
    .shortcut(Shortcut::new(
        "output-file",
        "FILE",
        "plugins.csv.output_path",
        "Write the samples to this CSV file",
    ))
    .shortcut(
        Shortcut::new(
            "relay-in",
            "ADDRESS",
            "plugins.relay-server.address",
            "Receive what agents measure at this address and port, with the plugin relay-server",
        )
        .enabling("relay-server"),
    )
    .receives()
    .durable_outputs()
    .command(ExtraCommand {
        build: certs::command,
        run: certs::run,
    })
    .main()
}
