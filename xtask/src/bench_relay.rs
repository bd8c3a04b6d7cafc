//! `cargo xtask bench-relay`: what the relay and the spool cost, with the release agent and server.

use anyhow::Result;

use crate::shell;
use crate::workspace::Workspace;

/// As the program of the benchmarks calls them.
const MEASURES: [&str; 7] = [
    "wire",
    "send",
    "ingest",
    "agents",
    "backlog",
    "small-batches",
    "hostile",
];

/// What `cargo xtask bench-relay` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// What is measured: bytes per sample on the wire, CPU time per sample of an agent that sends or of a server that
    /// ingests, a thousand agents at once and their return, a spool with a backlog of 1 GiB, a backlog of small batches and a slow
    /// disk, or clients that want to do harm.
    #[arg(value_parser = MEASURES, default_values = MEASURES)]
    measures: Vec<String>,
    /// How many idle control groups the agent measures for `wire`.
    #[arg(long, default_value_t = 1000)]
    cgroups: u32,
}

/// Builds the programs and runs the measurements, one after another.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let root = &workspace.root;
    shell::run(
        "cargo build --release -p alumet-agent -p alumet-server -p alumet-benches --bins",
        root,
    )?;
    let program = "cargo run --quiet --release -p alumet-benches --bin relay";
    for measure in &options.measures {
        println!("\n{measure}:");
        match measure.as_str() {
            "wire" => shell::run(&format!("{program} -- wire {}", options.cgroups), root)?,
            _ => shell::run(&format!("{program} -- {measure}"), root)?,
        }
    }
    Ok(())
}
