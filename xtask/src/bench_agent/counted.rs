//! What the kernel counts for a process.

use std::fs;

use anyhow::{Context, Result};

pub(super) struct Counted {
    pub(super) wakeups: u64,
    pub(super) cpu_nanos: u64,
    pub(super) resident_kib: u64,
    pub(super) threads: u64,
    pub(super) descriptors: usize,
}

impl Counted {
    /// Adds up all threads.
    pub(super) fn read(pid: u32) -> Result<Self> {
        let status = read(&format!("/proc/{pid}/status"))?;
        let mut counted = Self {
            wakeups: 0,
            cpu_nanos: 0,
            resident_kib: field(&status, "VmRSS:"),
            threads: field(&status, "Threads:"),
            descriptors: fs::read_dir(format!("/proc/{pid}/fd"))?.count(),
        };
        for task in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
            let task = task.path().display().to_string();
            counted.wakeups += field(&read(&format!("{task}/status"))?, "voluntary_ctxt_switches:");
            let times = read(&format!("{task}/schedstat"))?;
            let on_cpu = times.split(' ').next().and_then(|text| text.parse().ok());
            counted.cpu_nanos += on_cpu.unwrap_or(0);
        }
        Ok(counted)
    }
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}

/// The number behind a name; zero when there is none.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
