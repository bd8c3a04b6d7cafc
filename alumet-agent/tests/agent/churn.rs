//! Thousands of short-lived processes.

use std::fs;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::csv::lines_of;
use crate::program::{Agent, Folder, procfs_with, wait_until};

/// In KiB.
fn resident_memory(agent: &Agent) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Starts `count` processes, one after another.
fn run_processes(count: u32) {
    let script = format!("i=0; while [ $i -lt {count} ]; do /bin/true; i=$((i+1)); done");
    let status = Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn thousands_of_short_processes_leave_no_warning_and_no_memory() {
    let folder = Folder::new();
    let processes = "processes.refresh_interval = '100ms'\n[[plugins.procfs.processes.groups]]\nexe_regex = ''\n\
                     poll_interval = '100ms'\nflush_interval = '200ms'";
    let config = format!(
        "pipeline.self_metrics = '0s'\n[plugins.csv]\noutput_path = 'out.csv'\n{}",
        procfs_with(processes)
    );
    folder.write("alumet-config.toml", config);
    let mut agent = folder.start(&[]);
    agent.wait_until_measuring();
    wait_until("samples", || {
        (folder.read("out.csv").lines().count() > 100).then_some(())
    });
    run_processes(500);
    let warm = resident_memory(&agent);
    run_processes(2500);
    let end = resident_memory(&agent);
    assert!(end <= warm + 4096, "{warm} KiB grew to {end} KiB");
    let ended = agent.stop(Signal::SIGTERM);
    ended.expect_code(0);
    let loud: Vec<_> = ended
        .stderr
        .lines()
        .filter(|line| line.contains("WARN") || line.contains("ERROR"))
        // That is what this test is about.
        .filter(|line| !line.contains("the sources make about"))
        .collect();
    assert!(loud.is_empty(), "{loud:#?}");
    assert!(!lines_of(&folder.path("out.csv")).is_empty());
}
