//! `cargo xtask bench-agent`: what the release agent costs on a machine with many control groups.

use std::time::Duration;

use anyhow::Result;

use crate::shell;
use crate::workspace::Workspace;

/// What `cargo xtask bench-agent` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many control groups are made and measured.
    #[arg(long, default_value_t = 1000)]
    cgroups: u32,
    /// Time between two polls, such as `1s` or `100ms`.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    interval: Duration,
    /// How the control groups are called, and who measures them.
    #[arg(long, default_value = "cgroups")]
    layout: Layout,
    /// How many seconds are measured.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
}

/// What control groups are.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Layout {
    /// Groups of no kind, measured by the plugin cgroups
    Cgroups,
    /// Pods, measured by the plugin k8s
    K8s,
}

/// Builds the agent, lets it measure, and prints what the kernel counted for it.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let Options {
        cgroups,
        interval,
        layout,
        seconds,
    } = options;
    shell::run("cargo build --release -p alumet-agent", &workspace.root)?;
    println!("{cgroups} control groups every {interval:?}:");
    let program = "cargo run --quiet --release -p alumet-benches --bin idle-agent";
    let layout = match layout {
        Layout::Cgroups => "",
        Layout::K8s => "k8s",
    };
    let line = format!(
        "{program} -- {seconds} {cgroups} {} {layout}",
        interval.as_millis()
    );
    shell::run(&line, &workspace.root)
}
