//! `cargo xtask bench-agent`: what the release agent costs on a machine with many control groups.

mod counted;
mod groups;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cargo_metadata::MetadataCommand;

use crate::step::Step;
use crate::workspace::Workspace;
use counted::Counted;
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
    Step::cargo("build --release -p alumet-agent").run(&workspace.root)?;
    let target = MetadataCommand::new().no_deps().exec()?.target_directory;
    let agent = target.join("release/alumet-agent").into_std_path_buf();
    let groups = Groups::make(options.cgroups)?;
    let folder = std::env::temp_dir().join(groups.name());
    fs::create_dir_all(&folder)?;
    let result = measure(&agent, &folder, &groups, options);
    fs::remove_dir_all(&folder)?;
    result
}

fn measure(agent: &Path, folder: &Path, groups: &Groups, options: &Options) -> Result<()> {
    let config = folder.join("alumet-config.toml");
    let text = format!(
        "[plugins.cgroups]\npoll_interval = \"{}ms\"\nhierarchy = \"v2\"\ninclude = [\"/{}/*\"]\n\n[plugins.csv]\n",
        options.interval.as_millis(),
        groups.name()
    );
    fs::write(&config, text)?;
    let log = fs::File::create(folder.join("log"))?;
    let child = Command::new(agent)
        .arg("--config")
        .arg(&config)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot run {}", agent.display()))?;
    let mut agent = Agent(child);
    // The start is not what is measured.
    std::thread::sleep(Duration::from_secs(3));
    let (before, lines_before) = (Counted::read(agent.0.id())?, lines(folder));
    std::thread::sleep(Duration::from_secs(options.seconds.into()));
    let (after, lines_after) = (Counted::read(agent.0.id())?, lines(folder));
    if let Some(status) = agent.0.try_wait()? {
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        bail!("the agent ended early ({status}):\n{log}");
    }
    let seconds = f64::from(options.seconds.max(1));
    let polls = seconds / options.interval.as_secs_f64();
    let cpu_us = after.cpu_nanos.saturating_sub(before.cpu_nanos) as f64 / 1e3;
    let wakeups = after.wakeups.saturating_sub(before.wakeups) as f64;
    println!(
        "{} control groups every {:?}: {:.2} us of CPU per group and poll, {:.2} % of a core, {:.1} MiB resident, \
         {} threads, {:.1} wake-ups/s, {} descriptors, {:.0} samples/s written",
        options.cgroups,
        options.interval,
        cpu_us / polls / f64::from(options.cgroups.max(1)),
        cpu_us / seconds / 1e4,
        after.resident_kib as f64 / 1024.0,
        after.threads,
        wakeups / seconds,
        after.descriptors,
        (lines_after - lines_before.min(lines_after)) as f64 / seconds,
    );
    Ok(())
}

/// The agent, which ends with its measurement.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn lines(folder: &Path) -> usize {
    let output = fs::read(folder.join("alumet-output.csv")).unwrap_or_default();
    output.iter().filter(|byte| **byte == b'\n').count()
}
