//! What a pipeline for the telemetry of GPUs costs, from a file through NATS to a reader: `cargo build --release -p alumet-server
//! && cargo run --release -p alumet-benches --bin pipeline -- [ROUNDS [SECONDS [FORM [POLL]]]]`. `cargo xtask bench-pipeline`
//! does it all.
//!
//! The programs run as in `examples/server/pipeline`, on this machine, with all their files in the folder for temporary files:
//! where that is in memory, set `TMPDIR` to one on a disk.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program of the benchmarks talks to whoever runs it"
)]

mod dump;
mod process;
mod reader;
mod shape;
mod store;

use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use alumet_core::Timestamp;
use alumet_core::time::{Clock, SystemClock};

use crate::dump::{Dump, Form, GPUS, METRICS};
use crate::process::Usage;
use crate::reader::Reader;
use crate::shape::{Shape, Streaming};
use crate::store::Stored;

const USAGE: &str = "pipeline [ROUNDS [SECONDS [FORM [POLL]]]]
  ROUNDS   how often in a second each of 247 GPUs tells its 10 metrics: 100
  SECONDS  how long: 30
  FORM     `dcgm`, where each row of the file is a value, or `wide`, where each row is a GPU: dcgm
  POLL     how often the streamer looks which rows are due: 50ms";

/// What the first seconds cost is not of interest: files and series are new then.
const WARM_UP: Duration = Duration::from_secs(3);
/// What was due must be visible so long after, or the machine does not keep the rate.
const ENOUGH: Duration = Duration::from_secs(1);
/// How long the rest is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (rounds, seconds, form, poll) = match *words.as_slice() {
        [] => ("100", "30", "dcgm", "50ms"),
        [rounds] => (rounds, "30", "dcgm", "50ms"),
        [rounds, seconds] => (rounds, seconds, "dcgm", "50ms"),
        [rounds, seconds, form] => (rounds, seconds, form, "50ms"),
        [rounds, seconds, form, poll] => (rounds, seconds, form, poll),
        _ => ("", "", "", ""),
    };
    let numbers = rounds.parse().ok().zip(seconds.parse().ok());
    let (Some((rounds, seconds)), Some(form)) = (numbers, Form::named(form)) else {
        println!("{USAGE}");
        return ExitCode::from(2);
    };
    run(rounds, seconds, form, poll)
}

fn run(rounds: u32, seconds: u32, form: Form, poll: &str) -> ExitCode {
    assert!(
        rounds > 0 && Duration::from_secs(seconds.into()) > 2 * WARM_UP,
        "at least one round per second, for more than {:?}",
        2 * WARM_UP
    );
    let dump = Dump::new(form);
    let mut shape = Shape::start();
    let begin = now();
    let duration = Duration::from_secs(seconds.into());
    let streaming = Streaming {
        rows_per_second: rounds * dump.rows_per_round(),
        duration,
        poll,
    };
    shape.stream(&dump, &streaming);
    // A little before the streamer ends, so that it can still be asked what it has used.
    let end = Instant::now() + duration - Duration::from_secs(1);
    let stored = Stored::new(shape.gateway.port, begin);
    stored.wait_for_first();
    let reader = Reader::start(shape.gateway.port, begin);
    sleep(WARM_UP);
    let (from, before, sent) = (Instant::now(), shape.usages(), shape.queue().sent);
    sleep(end.saturating_duration_since(Instant::now()));
    let (measured, after, queue) = (from.elapsed(), shape.usages(), shape.queue());
    let (rows, behind) = shape.wait_until_sent();
    let expected = dump.after(rows);
    let drained = stored.wait_for(expected.samples, PATIENCE);
    let latencies = reader.stop();
    let wrong = stored.differences(&expected);

    println!(
        "{} GPUs × {} metrics at {rounds} rounds/s for {seconds} s: {rows} rows, {} samples, {} samples/s, poll {poll}",
        GPUS,
        METRICS.len(),
        expected.samples,
        rounds as usize * GPUS * METRICS.len()
    );
    print_costs(
        &before,
        &after,
        measured,
        expected.samples as f64 / f64::from(seconds),
    );
    println!(
        "{:.0} messages/s; at the end, {} wait in the stream and {} are under way to the disk",
        (queue.sent - sent) as f64 / measured.as_secs_f64(),
        queue.waiting,
        queue.under_way
    );
    println!("due → visible at the gateway: {latencies}");
    println!("files at the end: {}", shape.files());
    let mut is_well = wrong.is_empty();
    match wrong.first() {
        None => println!("all samples are stored, each once, with its value"),
        Some(first) => println!("{} series are not as sent, such as {first}", wrong.len()),
    }
    let late = behind + drained.unwrap_or(PATIENCE);
    if late > ENOUGH {
        println!(
            "the machine does not keep the rate: when the last row was due, {behind:.1?} passed until it was sent, and then {} until all \
             were visible",
            drained.map_or_else(
                || format!("more than {PATIENCE:?}"),
                |drained| format!("{drained:.1?}")
            )
        );
        is_well = false;
    }
    if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The wall clock.
pub(crate) fn now() -> Timestamp {
    SystemClock.now().wall
}

fn print_costs(before: &[Usage], after: &[Usage], measured: Duration, samples_per_second: f64) {
    let mut sum = 0.0;
    for (before, after) in before.iter().zip(after) {
        let cores = (after.cpu - before.cpu).as_secs_f64() / measured.as_secs_f64();
        sum += cores;
        println!(
            "{:>12}: {cores:.3} cores, {:.2} µs per sample, {:.1} MiB, at most {:.1} MiB",
            after.name,
            cores / samples_per_second * 1e6,
            after.resident_kib as f64 / 1024.0,
            after.peak_kib as f64 / 1024.0
        );
    }
    println!(
        "{:>12}: {sum:.3} cores, {:.2} µs per sample",
        "sum",
        sum / samples_per_second * 1e6
    );
}
