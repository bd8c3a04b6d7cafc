//! CPU time per sample of a whole pipeline that runs by itself: `cargo run --release -p alumet-benches --bin
//! cost-per-sample [SECONDS]`.
//!
//! Everything is counted: poll thread, router, queues, writers, timers, and the kernel's share.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program of the benchmarks talks to whoever runs it"
)]

use std::time::Duration;

use alumet_benches::PushAll;
use alumet_benches::counted::Counted;
use alumet_core::output::{NullOutput, Output};
use alumet_core::pipeline::PipelineBuilder;
use alumet_core::time::{Clock, SystemClock};
use alumet_plugin_csv::{Config, CsvOutput};

fn main() {
    let seconds: u64 = std::env::args()
        .nth(1)
        .map_or(5, |text| text.parse().expect("a number of seconds"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    for series in [100, 1000, 8000] {
        run("null", NullOutput, series, seconds);
        let config = Config {
            output_path: folder.path().join(format!("{series}.csv")),
            ..Config::default()
        };
        run(
            "csv",
            CsvOutput::open(&config, SystemClock.now()).expect("a file"),
            series,
            seconds,
        );
    }
}

/// Polls `series` series 20 times per second.
fn run(name: &str, output: impl Output, series: u32, seconds: u64) {
    let mut builder = PipelineBuilder::new();
    let source = PushAll::new(builder.catalog(), series);
    builder.source("push", source).every(Duration::from_millis(50));
    builder.output(name, output);
    let pipeline = builder.start().expect("a pipeline");
    // The first polls compute what is computed once per series.
    std::thread::sleep(Duration::from_millis(500));
    let measured = || {
        let cpu = Counted::read(std::process::id()).cpu_nanos;
        let status = pipeline.control().status().expect("a pipeline");
        (cpu, status.ledger.produced)
    };
    let before = measured();
    std::thread::sleep(Duration::from_secs(seconds));
    let after = measured();
    let (cpu, produced) = (after.0 - before.0, after.1 - before.1);
    pipeline.stop(Duration::from_secs(5));
    println!(
        "{series:>5} series into {name:<4}: {:>7.1} ns of CPU per sample ({produced} samples)",
        cpu as f64 / produced as f64
    );
}
