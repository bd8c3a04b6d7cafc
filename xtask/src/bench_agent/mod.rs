//! `cargo xtask bench-agent`: what the release agent costs on a machine with many control groups.

mod groups;

use std::fs;
use std::time::Duration;

use anyhow::Result;

use crate::step::Step;
use crate::workspace::Workspace;
pub(crate) use groups::Groups;

/// What `cargo xtask bench-agent` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many control groups are made and measured.
    #[arg(long, default_value_t = 1000)]
    cgroups: u32,
    /// Time between two polls, such as `1s` or `100ms`.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    interval: Duration,
    /// How many seconds are measured.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
}

/// Builds the agent, lets it measure, and prints what the kernel counted for it.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let root = &workspace.root;
    Step::cargo("build --release -p alumet-agent").run(root)?;
    let groups = Groups::make(options.cgroups)?;
    let config = std::env::temp_dir().join(format!("{}.toml", groups.name()));
    let text = format!(
        "[plugins.cgroups]\npoll_interval = \"{}ms\"\nhierarchy = \"v2\"\ninclude = [\"/{}/*\"]\n\n[plugins.csv]\n",
        options.interval.as_millis(),
        groups.name()
    );
    fs::write(&config, text)?;
    let readings = f64::from(options.cgroups) / options.interval.as_secs_f64();
    println!("{} control groups every {:?}:", options.cgroups, options.interval);
    let measured = Step::cargo("run --quiet --release -p alumet-benches --bin idle-agent --")
        .with([
            options.seconds.to_string(),
            config.display().to_string(),
            readings.to_string(),
        ])
        .run(root);
    fs::remove_file(&config)?;
    measured
}
