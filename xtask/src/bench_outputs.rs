//! `cargo xtask bench-outputs`: what the release agent costs with each output and a real server.

use std::time::Duration;

use anyhow::Result;

use crate::shell;
use crate::workspace::Workspace;

/// The plugins that can be measured.
const OUTPUTS: [&str; 6] = [
    "csv",
    "elasticsearch",
    "influxdb",
    "mongodb",
    "opentelemetry",
    "prometheus-exporter",
];

/// What `cargo xtask bench-outputs` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Those that are measured, one after another.
    #[arg(value_parser = OUTPUTS, default_values = OUTPUTS)]
    outputs: Vec<String>,
    /// How many control groups with eight series each are measured.
    #[arg(long, default_value_t = 2500)]
    cgroups: u32,
    /// Time between two polls, such as `1s` or `100ms`.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    interval: Duration,
    /// How many seconds are measured.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// How many seconds the server is away; it is then told what that does to the memory of the agent, and nothing else.
    #[arg(long, default_value_t = 0)]
    outage: u32,
}

/// Builds the agent, and lets it write to one server after another.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let Options {
        outputs,
        cgroups,
        interval,
        seconds,
        outage,
    } = options;
    shell::run("cargo build --release -p alumet-agent", &workspace.root)?;
    let program = "cargo run --quiet --release -p alumet-benches --bin outputs";
    let (millis, outputs) = (interval.as_millis(), outputs.join(" "));
    let line = format!("{program} -- {seconds} {cgroups} {millis} {outage} {outputs}");
    shell::run(&line, &workspace.root)
}
