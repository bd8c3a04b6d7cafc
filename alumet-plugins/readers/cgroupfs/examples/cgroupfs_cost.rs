//! What control groups cost on this machine; the table in the README comes from it.
//!
//! `cargo run --release -p alumet-reader-cgroupfs --example cgroupfs_cost -- [control groups to make]`
//!
//! Makes control groups below the v2 mount (as root) and removes them again.

#![expect(clippy::print_stdout, reason = "the table is what the program is for")]

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use alumet_reader_cgroupfs::engine::{FileEngine, Reading, SlotId, Stat, Wanted};
use alumet_reader_cgroupfs::mount::{Hierarchies, Version};
use alumet_reader_cgroupfs::stat::{cpu_stat, io_stat, memory_stat, pressure};
use alumet_reader_cgroupfs::watch::Watcher;
use alumet_reader_cgroupfs::{CgroupPath, ReadError};

const POD: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/v2/sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0a1b.slice"
);

/// The median duration of a batch, divided by its size, in nanoseconds.
fn measure(what: &str, mut work: impl FnMut()) {
    const SIZE: u32 = 1_000;
    let mut durations: Vec<f64> = (0..101)
        .map(|_| {
            let start = Instant::now();
            (0..SIZE).for_each(|_| work());
            start.elapsed().as_secs_f64() * 1e9 / f64::from(SIZE)
        })
        .collect();
    durations.sort_unstable_by(f64::total_cmp);
    println!("{what:<55} {:>8.0} ns", durations[durations.len() / 2]);
}

/// The median of some passes over all control groups.
fn pass(what: &str, count: usize, mut work: impl FnMut() -> Result<(), ReadError>) -> Result<(), ReadError> {
    let mut durations = Vec::new();
    for _ in 0..31 {
        let start = Instant::now();
        work()?;
        durations.push(start.elapsed().as_secs_f64());
    }
    durations.sort_unstable_by(f64::total_cmp);
    let median = durations[durations.len() / 2];
    println!(
        "{what:<55} {:>8.2} µs each, {:.2} ms",
        median * 1e6 / count as f64,
        median * 1e3
    );
    Ok(())
}

fn parsers() -> Result<(), Box<dyn Error>> {
    let read = |name: &str| fs::read(Path::new(POD).join(name));
    let text = read("cpu.stat")?;
    let mut cpu = cpu_stat::CpuStat::default();
    measure("parse cpu.stat, 10 lines", || {
        let _ = black_box(cpu_stat::parse(black_box(&text), true, &mut cpu));
    });
    measure("parse cpu.stat, only the CPU time", || {
        let _ = black_box(cpu_stat::parse(black_box(&text), false, &mut cpu));
    });
    let text = read("memory.stat")?;
    let keys = [
        "anon",
        "file",
        "kernel_stack",
        "pagetables",
        "slab_reclaimable",
        "pswpin",
        "pswpout",
    ];
    let (mut places, mut out) = (memory_stat::Places::default(), [None; 7]);
    measure("parse memory.stat, 7 of 62 entries", || {
        let _ = black_box(memory_stat::parse(black_box(&text), &keys, &mut places, &mut out));
    });
    measure("parse memory.stat, places not yet known", || {
        let mut places = memory_stat::Places::default();
        let _ = black_box(memory_stat::parse(black_box(&text), &keys, &mut places, &mut out));
    });
    let text = read("io.pressure")?;
    let mut pressure = pressure::Pressure::default();
    measure("parse io.pressure", || {
        let _ = black_box(pressure::parse(black_box(&text), &mut pressure));
    });
    let text = read("io.stat")?;
    let mut devices = Vec::new();
    measure("parse io.stat, 2 devices", || {
        let _ = black_box(io_stat::parse(black_box(&text), &mut devices));
    });
    Ok(())
}

/// Control groups that are removed at the end, also of a failed run.
struct Groups(PathBuf);

impl Drop for Groups {
    fn drop(&mut self) {
        for entry in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let _ = fs::remove_dir(entry.path());
        }
        let _ = fs::remove_dir(&self.0);
    }
}

fn engines(count: usize) -> Result<(), Box<dyn Error>> {
    let mounted = Hierarchies::detect(Path::new("/"))?;
    let name = format!("alumet-test-{}-cost", std::process::id());
    let groups = Groups(mounted.require_v2()?.join(&name));
    fs::create_dir(&groups.0)?;
    for number in 0..count {
        fs::create_dir(groups.0.join(format!("g{number}")))?;
    }
    let mut reading = Reading::default();
    for (wanted, what) in [(Stat::CpuTotal, "cpu.stat"), (Stat::IoSome, "io.pressure")] {
        let wanted: Wanted = [wanted].into_iter().collect();
        for (files, how) in [(usize::MAX, "kept"), (0, "open, read, close")] {
            let mut engine = FileEngine::new(Version::V2, &mounted)?.keeping_at_most(files);
            let mut slots: Vec<SlotId> = Vec::with_capacity(count);
            for number in 0..count {
                let path = CgroupPath::from_bytes(format!("/{name}/g{number}").as_bytes())?;
                slots.push(engine.open(&path, wanted)?);
            }
            pass(&format!("{what} of {count} idle groups, {how}"), count, || {
                slots.iter().try_for_each(|slot| engine.read(slot, &mut reading))
            })?;
        }
    }
    let root = CgroupPath::root();
    let mut engine = FileEngine::new(Version::V2, &mounted)?;
    let slot = engine.open(&root, [Stat::CpuTotal].into_iter().collect())?;
    measure("cpu.stat of the busy root, kept", || {
        let _ = engine.read(&slot, &mut reading);
    });
    let mut changes = Vec::new();
    let mut watcher = Watcher::at(&groups.0, Instant::now())?;
    let start = Instant::now();
    watcher.changes(start, &mut changes)?;
    println!(
        "first walk of {} groups: {:.2} ms",
        changes.len(),
        start.elapsed().as_secs_f64() * 1e3
    );
    measure("changes, when there are none", || {
        let _ = watcher.changes(start, &mut changes);
    });
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let count = std::env::args().nth(1).map_or(Ok(1_000), |count| count.parse())?;
    parsers()?;
    engines(count)
}
