//! `cargo xtask bench-relay`: what the relay and the spool cost, with the release agent and server.

use anyhow::Result;
use clap::ValueEnum;

use crate::bench_agent::Groups;
use crate::step::Step;
use crate::workspace::Workspace;

/// What `cargo xtask bench-relay` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// What is measured; without it, everything.
    measures: Vec<Measure>,
    /// How many idle control groups the agent measures for `wire`.
    #[arg(long, default_value_t = 1000)]
    cgroups: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measure {
    /// Bytes per sample on the wire.
    Wire,
    /// CPU time per sample of an agent that sends.
    Send,
    /// CPU time per sample of a server that receives.
    Ingest,
    /// A thousand agents at once, and their return after the server was killed.
    Agents,
    /// A spool with a backlog of 1 GiB.
    Backlog,
}

/// Builds the programs and runs the measurements, one after another.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let build = "build --release -p alumet-agent -p alumet-server -p alumet-benches --bins";
    Step::cargo(build).run(&workspace.root)?;
    let measures = match options.measures.as_slice() {
        [] => Measure::value_variants(),
        chosen => chosen,
    };
    for measure in measures {
        // As the program of the benchmarks calls it.
        let name = measure
            .to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned());
        println!("\n{name}:");
        let step = Step::cargo("run --quiet --release -p alumet-benches --bin relay --").with([&name]);
        match measure {
            Measure::Wire => {
                let groups = Groups::make(options.cgroups)?;
                step.with([format!("/{}/*", groups.name())])
                    .run(&workspace.root)?;
            }
            _ => step.run(&workspace.root)?,
        }
    }
    Ok(())
}
