//! `cargo xtask bench-pipeline`: what the telemetry of many GPUs costs from a file through NATS to a reader.

use anyhow::Result;

use crate::shell;
use crate::workspace::Workspace;

/// What `cargo xtask bench-pipeline` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How often in a second each of 247 GPUs tells its 10 metrics.
    #[arg(long, default_value_t = 100)]
    rounds: u32,
    /// How long.
    #[arg(long, default_value_t = 30)]
    seconds: u32,
    /// What a row of the file is: a value, as in a dump of DCGM, or a GPU with all its values.
    #[arg(long, value_parser = ["dcgm", "wide"], default_value = "dcgm")]
    form: String,
    /// How often the streamer looks which rows are due.
    #[arg(long, default_value = "50ms")]
    poll: String,
}

/// Builds the programs and runs them.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let root = &workspace.root;
    shell::run(
        "cargo build --release -p alumet-agent -p alumet-server -p alumet-benches --bins",
        root,
    )?;
    let Options {
        rounds,
        seconds,
        form,
        poll,
    } = options;
    let program = "cargo run --quiet --release -p alumet-benches --bin pipeline";
    shell::run(&format!("{program} -- {rounds} {seconds} {form} {poll}"), root)
}
