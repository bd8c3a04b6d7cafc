//! An agent of one's own: one home-made source and the CSV output, with everything else that the standard agent has.
//!
//! `cargo run -p example-custom-agent` writes `alumet-config.toml` and `alumet-output.csv`; `-- --help` shows the rest.

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
    .plugin::<UptimePlugin>()
    .plugin::<CsvPlugin>()
    .enabled_by_default(["uptime", "csv"])
    .main()
}
