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
    .enabled_by_default(plugins::ENABLED_BY_DEFAULT)
    .known_plugins(plugins::KNOWN)
    .shortcut(Shortcut {
        flag: "output-file",
        value_name: "FILE",
        key: "plugins.csv.output_path",
        help: "Write the samples to this CSV file",
        enables: None,
    })
    .main()
}
