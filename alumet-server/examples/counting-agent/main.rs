//! An agent that counts instead of measuring, so that whoever receives its samples can tell whether one is missing or
//! came twice. `tests/chaos` kills it.

mod counting;

use std::process::ExitCode;

use alumet_agent::App;
use alumet_plugin_relay_client::RelayClientPlugin;

use counting::CountingPlugin;

fn main() -> ExitCode {
    App::new(
        "counting-agent",
        env!("CARGO_PKG_VERSION"),
        "Counts, and sends the numbers to a server.",
    )
    .plugin::<CountingPlugin>()
    .plugin::<RelayClientPlugin>()
    .enabled_by_default(["counting", "relay-client"])
    .main()
}
