//! What an agent costs: `cargo build --release -p alumet-agent && cargo run --release -p alumet-benches --bin
//! idle-agent [SECONDS [CONFIG READINGS]]`.
//!
//! Runs the release agent, with its default plugins at 1 Hz or with another configuration, and reads what the kernel counted
//! for it. READINGS is how many things it reads per second, to each of which an equal part of the CPU time is ascribed.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program of the benchmarks talks to whoever runs it"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use alumet_benches::counted::{Counted, agent};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let seconds: u64 = arguments
        .first()
        .map_or(30, |text| text.parse().expect("a number of seconds"));
    let agent = agent();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = match arguments.get(1) {
        Some(config) => std::path::absolute(config).expect("a path"),
        None => default_config(&agent, folder.path()),
    };
    let mut child = Command::new(&agent)
        .arg("--config")
        .arg(&config)
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("the agent");
    // The start is not idle.
    std::thread::sleep(Duration::from_secs(3));
    let (before, lines_before) = (Counted::read(child.id()), lines(folder.path()));
    std::thread::sleep(Duration::from_secs(seconds));
    let (after, lines_after) = (Counted::read(child.id()), lines(folder.path()));
    Command::new("kill")
        .arg(child.id().to_string())
        .status()
        .expect("kill");
    child.wait().expect("the end of the agent");
    let per_second = |count: u64| count as f64 / seconds as f64;
    println!(
        "{:.1} wake-ups/s, {:.2} % of a core, {:.1} MiB resident, {} threads, {} descriptors, {:.1} lines/s",
        per_second(after.wakeups - before.wakeups),
        per_second(after.cpu_nanos - before.cpu_nanos) / 1e7,
        after.resident_kib as f64 / 1024.0,
        after.threads,
        after.descriptors,
        per_second(lines_after - lines_before),
    );
    if let Some(readings) = arguments.get(2) {
        let readings: f64 = readings.parse().expect("a number of readings per second");
        println!(
            "{:.2} us of CPU per reading",
            per_second(after.cpu_nanos - before.cpu_nanos) / readings / 1e3
        );
    }
}

/// The default configuration, in which every interval is one second.
fn default_config(agent: &Path, folder: &Path) -> PathBuf {
    let config = folder.join("alumet-config.toml");
    let text = Command::new(agent)
        .args(["config", "default"])
        .output()
        .expect("the default configuration")
        .stdout;
    let text = String::from_utf8(text).expect("UTF-8");
    let text: Vec<String> = text
        .lines()
        .map(|line| match line.split_once(" = ") {
            Some((key @ ("poll_interval" | "flush_interval" | "refresh_interval"), _)) => {
                format!("{key} = \"1s\"")
            }
            _ => line.to_owned(),
        })
        .collect();
    std::fs::write(&config, text.join("\n")).expect("a configuration file");
    config
}

fn lines(folder: &Path) -> u64 {
    let text = std::fs::read_to_string(folder.join("alumet-output.csv")).unwrap_or_default();
    text.lines().count() as u64
}
