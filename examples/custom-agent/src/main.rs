//! An agent of one's own: one home-made source and the CSV output, with everything else that the standard agent has.
//!
//! `cargo run -p example-custom-agent` writes `custom-agent-config.toml` and `custom-agent-output.csv`; `-- --help` shows
//! the rest.

mod uptime;

use std::process::ExitCode;

use alumet_agent::App;
use alumet_plugin_csv::CsvPlugin;

use uptime::UptimePlugin;

fn main() -> ExitCode {
    App::new(
        "custom-agent",
        env!("CARGO_PKG_VERSION"),
        "Measures how long this machine has been up.",
    )
    // The standard agent in the same folder has other files.
    .config_file("custom-agent-config.toml")
    .plugin_default("csv", "output_path", "custom-agent-output.csv")
    .plugin::<UptimePlugin>()
    .plugin::<CsvPlugin>()
    .enabled_by_default(["uptime", "csv"])
    .main()
}
