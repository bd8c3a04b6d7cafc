//! What the programs that run the release agent have in common.

#![expect(
    clippy::expect_used,
    reason = "a program of the benchmarks has nobody to report to"
)]

use std::path::PathBuf;

/// The agent of the same build profile.
///
/// # Panics
/// When it is not built.
pub fn agent() -> PathBuf {
    let agent = std::env::current_exe()
        .expect("a path")
        .with_file_name("alumet-agent");
    assert!(
        agent.exists(),
        "{} is missing: build it with `cargo build --release -p alumet-agent`",
        agent.display()
    );
    agent
}

/// What the kernel has counted for a process, all its threads together.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    /// Voluntary context switches.
    pub wakeups: u64,
    /// CPU time.
    pub cpu_nanos: u64,
    /// Memory in RAM.
    pub resident_kib: u64,
    /// The most memory in RAM that it ever had.
    pub peak_kib: u64,
    /// Threads.
    pub threads: u64,
    /// Open files.
    pub descriptors: usize,
}

impl Counted {
    /// Reads the counters of a process.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn read(pid: u32) -> Self {
        let status = format!("/proc/{pid}/status");
        let mut counted = Self {
            wakeups: 0,
            cpu_nanos: 0,
            resident_kib: field(&status, "VmRSS:"),
            peak_kib: field(&status, "VmHWM:"),
            threads: field(&status, "Threads:"),
            descriptors: std::fs::read_dir(format!("/proc/{pid}/fd"))
                .expect("the descriptors")
                .count(),
        };
        for task in std::fs::read_dir(format!("/proc/{pid}/task"))
            .expect("the threads")
            .flatten()
        {
            let task = task.path();
            counted.wakeups += field(
                &task.join("status").display().to_string(),
                "voluntary_ctxt_switches:",
            );
            let schedstat = std::fs::read_to_string(task.join("schedstat")).expect("schedstat");
            counted.cpu_nanos += schedstat
                .split(' ')
                .next()
                .and_then(|text| text.parse::<u64>().ok())
                .unwrap_or(0);
        }
        counted
    }
}

fn field(path: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(path).expect("a file of /proc");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .expect("a field");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
