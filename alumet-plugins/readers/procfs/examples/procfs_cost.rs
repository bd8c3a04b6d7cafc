//! What a reading costs on this machine, in microseconds; the table in the README comes from it.
//!
//! `cargo run --release -p alumet-reader-procfs --example procfs_cost -- [processes to start]`

#![expect(clippy::print_stdout, reason = "the table is what the program is for")]

use std::error::Error;
use std::hint::black_box;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use alumet_reader_procfs::diskstats::DiskStatsFile;
use alumet_reader_procfs::net_dev::NetDevFile;
use alumet_reader_procfs::process::{self, Process, ProcessStat, Processes};
use alumet_reader_procfs::{ReadError, SystemRoot, cpu_online, loadavg, meminfo, pressure, stat};

/// The median duration of a batch, divided by its size.
fn measure(what: &str, mut read: impl FnMut() -> Result<(), ReadError>) -> Result<(), ReadError> {
    const BATCHES: usize = 101;
    const SIZE: u32 = 50;
    let mut durations = Vec::with_capacity(BATCHES);
    for _ in 0..BATCHES {
        let start = Instant::now();
        for _ in 0..SIZE {
            read()?;
        }
        durations.push(start.elapsed() / SIZE);
    }
    durations.sort_unstable();
    println!(
        "{what:<50} {:>9.2} µs",
        durations[BATCHES / 2].as_secs_f64() * 1e6
    );
    Ok(())
}

/// The best of some passes over all processes.
fn pass(what: &str, count: usize, mut read: impl FnMut() -> Result<(), ReadError>) -> Result<(), ReadError> {
    let mut best = f64::MAX;
    for _ in 0..7 {
        let start = Instant::now();
        read()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!(
        "{what:<50} {:>9.2} µs per process, {:.2} ms",
        best * 1e6 / count as f64,
        best * 1e3
    );
    Ok(())
}

fn machine(root: &SystemRoot) -> Result<(), ReadError> {
    let mut file = stat::table(root);
    measure("/proc/stat", || file.read().map(drop))?;
    let names = [
        "MemTotal",
        "MemFree",
        "MemAvailable",
        "Cached",
        "SwapCached",
        "Active",
        "Inactive",
        "Mapped",
    ];
    let mut file = meminfo::table(root, names);
    measure("/proc/meminfo, 8 entries", || file.read().map(drop))?;
    let mut file = NetDevFile::open(root)?;
    measure("/proc/net/dev", || file.read().map(drop))?;
    let mut file = DiskStatsFile::of(root);
    measure("/proc/diskstats", || file.read().map(drop))?;
    let mut file = loadavg::table(root);
    measure("/proc/loadavg", || file.read().map(drop))?;
    let mut file = pressure::table(root, "io");
    match file.read() {
        Ok(_) => measure("/proc/pressure/io", || file.read().map(drop))?,
        Err(error) => println!("{error}"),
    }
    let mut file = cpu_online::table(root);
    measure("/sys/devices/system/cpu/online", || file.read().map(drop))
}

fn one_process(root: &SystemRoot) -> Result<(), ReadError> {
    let pid = std::process::id();
    for (policy, name) in [(0, "open, read, close"), (1, "kept file")] {
        let mut processes = Processes::open(root, policy)?;
        let mut process = processes.follow(pid)?;
        measure(&format!("own stat, {name}"), || {
            process.stat(&mut processes).map(drop)
        })?;
        measure(&format!("own user and system time, {name}"), || {
            process.split_cpu_time(&mut processes).map(drop)
        })?;
    }
    let mut processes = Processes::open(root, 256)?;
    let mut process = processes.follow(pid)?;
    measure("own CPU clock", || process.cpu_ns(&mut processes).map(drop))?;
    measure("own statm", || process.statm(&mut processes).map(drop))?;
    measure("own io", || processes.io(pid).map(drop))?;
    measure("own smaps_rollup", || processes.smaps_rollup(pid).map(drop))?;
    measure("own exe", || processes.exe(pid).map(drop))?;
    let text = std::fs::read("/proc/self/stat").unwrap_or_default();
    let mut parsed = ProcessStat::default();
    measure("parsing of own stat alone", || {
        let _ = black_box(process::stat::parse(black_box(&text), &mut parsed));
        Ok(())
    })
}

fn all_processes(root: &SystemRoot) -> Result<(), ReadError> {
    for (policy, name) in [(0, "open, read, close"), (15_000, "kept files")] {
        let mut processes = Processes::open(root, policy)?;
        let pids = processes.pids()?;
        let mut all: Vec<Process> = pids
            .iter()
            .filter_map(|pid| processes.follow(*pid).ok())
            .collect();
        let count = all.len();
        pass(&format!("scan of {count} processes"), count, || {
            processes.pids().map(drop)
        })?;
        pass(&format!("stat of {count} processes, {name}"), count, || {
            all.iter_mut()
                .try_for_each(|process| process.stat(&mut processes).map(drop))
        })?;
        pass(&format!("CPU clock of {count} processes"), count, || {
            all.iter_mut()
                .try_for_each(|process| process.cpu_ns(&mut processes).map(drop))
        })?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let wanted = std::env::args()
        .nth(1)
        .map_or(Ok(0), |count| count.parse::<usize>())?;
    let root = SystemRoot::default();
    machine(&root)?;
    one_process(&root)?;
    let mut children: Vec<Child> = Vec::with_capacity(wanted);
    for _ in 0..wanted {
        children.push(Command::new("sleep").arg("600").stdout(Stdio::null()).spawn()?);
    }
    let result = all_processes(&root);
    for child in &mut children {
        child.kill()?;
    }
    for child in &mut children {
        child.wait()?;
    }
    Ok(result?)
}
