//! Fills a spool with a backlog, opens it again and drains it: prints how long that takes and how much memory it needs.
//!
//! `cargo run --release -p alumet-shared-spool --example reopen -- FOLDER [MEGABYTES]`

#![expect(clippy::print_stdout, reason = "a command-line program talks to the terminal")]

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alumet_core::series::Series;
use alumet_core::spool::{Spool, Spooled};
use alumet_core::unit::Unit;
use alumet_core::{Catalog, Consumer, Resource, Timestamp};
use alumet_shared_spool::{DiskSpool, SpoolConfig};

alumet_core::metrics! {
    NUMBER = Gauge<u64> {
        name: "number",
        unit: Unit::ONE,
        description: "What the backlog consists of.",
        resources: ["local_machine"],
        consumers: ["process"],
        attributes: [],
    };
}

const SAMPLES_PER_BATCH: usize = 8000;
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = arguments.next().map(PathBuf::from).ok_or("which folder?")?;
    let megabytes: u64 = match arguments.next() {
        Some(text) => text.to_string_lossy().parse()?,
        None => 1000,
    };
    let config = SpoolConfig {
        path: Some(folder.join("spool.db")),
        max_bytes: u64::MAX >> 1,
        ..SpoolConfig::default()
    };
    fill(config.clone(), megabytes << 20)?;
    drain(config)
}

fn fill(config: SpoolConfig, bytes: u64) -> Result<(), Box<dyn Error>> {
    let catalog = Catalog::new();
    let metric = catalog.metric(&NUMBER)?;
    let register = |pid| -> Series<u64> {
        let process = Consumer::Process { pid };
        catalog.series(metric, Resource::LocalMachine, process).register()
    };
    let series: Vec<_> = (0..SAMPLES_PER_BATCH as u32).map(register).collect();
    let spool = DiskSpool::open(config, catalog.clone());
    spool.reader("example", Box::new(|| ()));
    let begin = Instant::now();
    let mut noise = 1_u64;
    let mut batches = 0_u64;
    while spool.status().bytes < bytes {
        let mut batch = catalog.batch();
        batch.reserve(series.len());
        for series in &series {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            batch.push(series, Timestamp::from_nanos(batches as i64), noise >> 32);
        }
        spool.append(&Arc::new(batch));
        batches += 1;
        if batches.is_multiple_of(100) && !spool.commit(PATIENCE) {
            return Err(format!("not committed: {:?}", spool.status()).into());
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    let samples = batches * SAMPLES_PER_BATCH as u64;
    let megabytes = spool.status().bytes >> 20;
    println!(
        "written: {megabytes} MB, {samples} samples, {:.0} samples/s",
        samples as f64 / seconds
    );
    drop(spool);
    println!("resident after writing: {} MB", resident()?);
    Ok(())
}

fn drain(config: SpoolConfig) -> Result<(), Box<dyn Error>> {
    let begin = Instant::now();
    let spool = DiskSpool::open(config, Catalog::new());
    let reader = spool.reader("example", Box::new(|| ()));
    let waiting = reader.waiting();
    println!(
        "opened: {:.1} ms, {waiting} samples wait",
        begin.elapsed().as_secs_f64() * 1e3
    );
    let begin = Instant::now();
    let (mut done, mut largest) = (0, 0);
    loop {
        let items = reader.read(1 << 20).map_err(|error| error.to_string())?;
        let Some(last) = items.last().map(Spooled::last) else {
            break;
        };
        for item in &items {
            if let Spooled::Record(record) = item {
                reader.batch(record).map_err(|error| error.to_string())?;
            }
        }
        done += reader.acknowledge(last, None);
        largest = largest.max(resident()?);
    }
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "drained: {done} samples, {:.0} samples/s, resident at most {largest} MB",
        done as f64 / seconds
    );
    let begin = Instant::now();
    if !spool.commit(PATIENCE) {
        return Err(format!("not committed: {:?}", spool.status()).into());
    }
    println!("last commit: {:.1} ms", begin.elapsed().as_secs_f64() * 1e3);
    Ok(())
}

/// The resident memory of this process in megabytes.
fn resident() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .ok_or("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes >> 10)
}
