//! What it costs to count four events of many control groups on this machine; the numbers in the README come from it.
//!
//! `cargo run --release -p alumet-plugin-perf --example perf_cost -- [groups]`, with the right to make control groups.

#![expect(clippy::print_stdout, reason = "the numbers are what the program is for")]

use std::error::Error;
use std::fs;
use std::time::{Duration, Instant};

use alumet_core::Consumer;
use alumet_core::events::ConsumerEvent;
use alumet_core::testkit::Bench;
use alumet_plugin_perf::{Config, PerfPlugin};
use alumet_reader_cgroupfs::testkit::OwnGroup;
use nix::time::{ClockId, clock_gettime};

const POLLS: u32 = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let wanted = std::env::args()
        .nth(1)
        .map_or(Ok(100), |count| count.parse::<usize>())?;
    let groups: Vec<OwnGroup> = (0..wanted)
        .map_while(|number| OwnGroup::make(&number.to_string()))
        .collect();
    let consumers: Vec<Consumer> = groups
        .iter()
        .map(|group| Consumer::ControlGroup {
            path: group.path().to_string().into(),
        })
        .collect();
    let config = "events = ['PAGE_FAULTS', 'CONTEXT_SWITCHES', 'TASK_CLOCK', 'CPU_MIGRATIONS']";
    let mut bench = Bench::start_in_real_time::<PerfPlugin>(toml::from_str::<Config>(config)?, "/")
        .map_err(|error| error.to_string())?;
    let events = bench.events().clone();
    let mut poll = || match bench.poll_batch("perf") {
        Ok(batch) => Ok(batch.len()),
        Err(failure) => Err(failure.to_string()),
    };

    let before = fs::read_dir("/proc/self/fd")?.count();
    events.publish(ConsumerEvent::Started(consumers.clone().into()));
    let (mut opening, mut samples) = (Instant::now(), poll()?);
    println!("{wanted} groups: opened in {:?}", opening.elapsed());
    println!(
        "descriptors            {:>8}",
        fs::read_dir("/proc/self/fd")?.count() - before
    );

    let (start, used) = (Instant::now(), cpu_time()?);
    for _ in 0..POLLS {
        samples = poll()?;
    }
    let used = cpu_time()?.saturating_sub(used) / POLLS;
    println!("samples per poll       {samples:>8}");
    println!("CPU per poll           {:>8.1} µs", used.as_secs_f64() * 1e6);
    println!(
        "time per poll          {:>8.1} µs",
        start.elapsed().as_secs_f64() * 1e6 / f64::from(POLLS)
    );

    events.publish(ConsumerEvent::Ended(consumers.into()));
    opening = Instant::now();
    poll()?;
    println!("closed in {:?}", opening.elapsed());
    Ok(())
}

/// What this thread has used.
fn cpu_time() -> nix::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}
