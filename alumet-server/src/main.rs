//! The server: receives what many agents measure, stores it, and answers questions about it.

mod certs;
mod demo;
mod plugins;
mod store;

use std::process::ExitCode;

use alumet_agent::{App, ExtraCommand, Shortcut};

fn main() -> ExitCode {
    app().main()
}

/// The application, whatever the command line asks of it.
fn app() -> App {
    App::new(
        "alumet-server",
        env!("CARGO_PKG_VERSION"),
        "Receives what many agents measure, stores it, and answers questions about it.",
    )
    // An agent in the same folder has other files.
    .config_file("alumet-server-config.toml")
    .plugin_default("csv", "output_path", "alumet-server-output.csv")
    // What runs for months must not fill the disk.
    .plugin_initial("store", "max_size", "10 GiB")
    .plugin_initial("csv", "max_total_size", "10 GiB")
    // Any tool reads it as it is; a file that is older goes on as it was begun.
    .plugin_initial("csv", "dialect", "plain")
    .plugin_default("socket-control", "socket_path", "alumet-server-control.sock")
    .plugins(plugins::compiled())
    .enabled_by_default(["relay-server", "store", "rest-api"])
    .common_keys([
        "plugins.store.path",
        "plugins.store.max_size",
        "plugins.store.retention",
        "plugins.rest-api.address",
        "plugins.relay-server.address",
        "plugins.relay-server.tls.certificate",
        "plugins.relay-server.tls.key",
        "plugins.relay-server.tokens_file",
    ])
    .shortcut(Shortcut {
        flag: "output-file",
        value_name: "FILE",
        key: "plugins.csv.output_path",
        help: "Write the samples to this CSV file as well, with the plugin csv",
        enables: Some("csv"),
    })
    .shortcut(Shortcut {
        flag: "relay-in",
        value_name: "ADDRESS",
        key: "plugins.relay-server.address",
        help: "Receive what agents measure at this address and port, with the plugin relay-server",
        enables: Some("relay-server"),
    })
    .receives()
    .command(ExtraCommand {
        build: certs::command,
        run: certs::run,
    })
    .command(ExtraCommand {
        build: demo::command,
        run: demo::run,
    })
    .command(ExtraCommand {
        build: store::command,
        run: store::run,
    })
}
