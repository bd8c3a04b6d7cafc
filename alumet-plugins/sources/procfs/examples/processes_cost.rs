//! What a poll of many processes costs on this machine; the table in the README comes from it.
//!
//! `cargo run --release -p alumet-plugin-procfs --example processes_cost -- [processes to start]`

#![expect(clippy::print_stdout, reason = "the table is what the program is for")]

use std::error::Error;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use alumet_core::testkit::Bench;
use alumet_plugin_procfs::{Config, ProcfsPlugin};

fn measure(name: &str, group: &str) -> Result<(), Box<dyn Error>> {
    let config = format!("[processes]\nrefresh_interval = '1h'\ngroups = [{{ {group} }}]");
    let config: Config = toml::from_str(&config)?;
    let mut bench =
        Bench::start_in_real_time::<ProcfsPlugin>(config, "/").map_err(|error| error.to_string())?;
    let mut durations = Vec::new();
    let mut samples = 0;
    for _ in 0..101 {
        let start = Instant::now();
        let batch = bench
            .poll_batch("processes")
            .map_err(|failure| failure.to_string())?;
        durations.push(start.elapsed());
        samples = batch.len();
    }
    durations.sort_unstable();
    let median = durations[durations.len() / 2];
    println!(
        "{name:<40} {:>9.1} µs, {samples} samples",
        median.as_secs_f64() * 1e6
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let wanted = std::env::args()
        .nth(1)
        .map_or(Ok(1000), |count| count.parse::<usize>())?;
    let mut children: Vec<Child> = Vec::with_capacity(wanted);
    for _ in 0..wanted {
        children.push(Command::new("sleep").arg("600").stdout(Stdio::null()).spawn()?);
    }
    let own = std::process::id();
    let result = [
        ("CPU time", "metrics = ['cpu_time']"),
        ("CPU time and percent", "metrics = ['cpu_time', 'cpu_percent']"),
        ("memory", "metrics = ['memory']"),
        ("CPU time, percent, memory", ""),
        ("CPU time, percent, memory, io", "io = true"),
        (
            "accurate memory",
            "metrics = ['memory'], memory_mode = 'slow_but_accurate'",
        ),
    ]
    .into_iter()
    .try_for_each(|(name, group)| {
        let separator = if group.is_empty() { "" } else { ", " };
        measure(name, &format!("ppid = {own}{separator}{group}"))
    });
    for child in &mut children {
        child.kill()?;
    }
    for child in &mut children {
        child.wait()?;
    }
    result
}
