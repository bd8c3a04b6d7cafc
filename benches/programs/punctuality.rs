//! How punctual a 1 kHz source is: `cargo run --release -p alumet-benches --bin punctuality [SECONDS]`.
//!
//! Ends with an error when polled and missed ticks are not all ticks.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program of the benchmarks talks to whoever runs it"
)]

use std::process::ExitCode;
use std::time::Duration;

use alumet_benches::PushAll;
use alumet_core::output::NullOutput;
use alumet_core::pipeline::PipelineBuilder;

fn main() -> ExitCode {
    let seconds = std::env::args()
        .nth(1)
        .map_or(60, |text| text.parse().expect("a number of seconds"));
    let mut builder = PipelineBuilder::new();
    let source = PushAll::new(builder.catalog(), 8);
    builder
        .source("fast", source)
        .every(Duration::from_millis(1))
        .flush_every(Duration::from_secs(1));
    builder.output("null", NullOutput);
    let pipeline = builder.start().expect("a pipeline");
    std::thread::sleep(Duration::from_secs(seconds));
    let status = pipeline.control().status().expect("a pipeline");
    let thread = &status.punctuality[0];
    let polled = thread.lateness.count();
    println!(
        "{polled} polled + {} missed ticks in {:.3} s; late by p50 {:?}, p99 {:?}, max {:?}",
        thread.missed_ticks,
        status.uptime.as_secs_f64(),
        thread.lateness.quantile(0.5),
        thread.lateness.quantile(0.99),
        thread.lateness.max()
    );
    let due = status.uptime.as_millis() as u64;
    pipeline.stop(Duration::from_secs(5));
    // The status was taken between two ticks, and the present tick may be under way.
    if due.abs_diff(polled + thread.missed_ticks) > 1 + thread.lateness.max().as_millis() as u64 {
        println!("{due} ticks were due");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
