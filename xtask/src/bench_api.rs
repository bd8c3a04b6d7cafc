//! `cargo xtask bench-api`: what the API and the page cost, with the release server.

use anyhow::Result;

use crate::shell;
use crate::workspace::Workspace;

/// As the program of the benchmarks calls them.
const MEASURES: [&str; 3] = ["requests", "idle", "page"];

/// What `cargo xtask bench-api` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// What is measured: requests per second and their delays (this needs `wrk`), the memory of ten thousand idle connections, or when
    /// the page is first seen in Chromium.
    #[arg(value_parser = MEASURES, default_values = MEASURES)]
    measures: Vec<String>,
    /// For how long each question is asked for `requests`, at full load and then at half of it.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
}

/// Builds the programs and runs the measurements, one after another.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let root = &workspace.root;
    shell::run(
        "cargo build --release -p alumet-agent -p alumet-server -p alumet-benches --bins",
        root,
    )?;
    let program = "cargo run --quiet --release -p alumet-benches --bin api";
    for measure in &options.measures {
        println!("\n{measure}:");
        match measure.as_str() {
            "requests" => shell::run(&format!("{program} -- requests {}", options.seconds), root)?,
            _ => shell::run(&format!("{program} -- {measure}"), root)?,
        }
    }
    Ok(())
}
