//! What an agent costs: `cargo build --release -p alumet-agent && cargo run --release -p alumet-benches --bin
//! idle-agent [SECONDS [CGROUPS MILLIS]]`.
//!
//! Runs the release agent, with its default plugins at 1 Hz, and reads what the kernel counted for it. With CGROUPS, it
//! measures so many idle control groups every MILLIS milliseconds instead.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program of the benchmarks talks to whoever runs it"
)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use alumet_benches::counted::{Counted, agent};
use alumet_benches::groups::Groups;

fn main() {
    let arguments = std::env::args().skip(1);
    let numbers: Vec<u32> = arguments.map(|text| text.parse().expect("a number")).collect();
    let seconds = numbers.first().copied().unwrap_or(30);
    let groups = match numbers[..] {
        [_, cgroups, millis] => Some((Groups::make(cgroups).expect("control groups"), cgroups, millis)),
        _ => None,
    };
    let agent = agent();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("alumet-config.toml");
    let text = match groups {
        Some((_, _, millis)) => groups_config(millis),
        None => default_config(&agent),
    };
    std::fs::write(&config, text).expect("a configuration file");
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
    std::thread::sleep(Duration::from_secs(seconds.into()));
    let (after, lines_after) = (Counted::read(child.id()), lines(folder.path()));
    Command::new("kill")
        .arg(child.id().to_string())
        .status()
        .expect("kill");
    child.wait().expect("the end of the agent");
    let per_second = |count: u64| count as f64 / f64::from(seconds);
    println!(
        "{:.1} wake-ups/s, {:.2} % of a core, {:.1} MiB resident, {} threads, {} descriptors, {:.1} lines/s",
        per_second(after.wakeups - before.wakeups),
        per_second(after.cpu_nanos - before.cpu_nanos) / 1e7,
        after.resident_kib as f64 / 1024.0,
        after.threads,
        after.descriptors,
        per_second(lines_after - lines_before),
    );
    if let Some((_, cgroups, millis)) = groups {
        let readings = f64::from(cgroups) / f64::from(millis) * 1e3;
        println!(
            "{:.2} us of CPU per reading",
            per_second(after.cpu_nanos - before.cpu_nanos) / readings / 1e3
        );
    }
}

/// The control groups of this process, and nothing else.
fn groups_config(millis: u32) -> String {
    format!(
        "[plugins.cgroups]\npoll_interval = '{millis}ms'\nhierarchy = 'v2'\ninclude = ['{}']\n\n[plugins.csv]\n",
        Groups::pattern()
    )
}

/// The default configuration, in which every interval is one second.
fn default_config(agent: &Path) -> String {
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
    text.join("\n")
}

fn lines(folder: &Path) -> u64 {
    let text = std::fs::read_to_string(folder.join("alumet-output.csv")).unwrap_or_default();
    text.lines().count() as u64
}
