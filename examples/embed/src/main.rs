//! A program that uses the core with its own source and reads the samples itself.
//!
//! `cargo run -p example-embed` sorts numbers, measures how many it sorts per tick, and prints what was measured.

#![expect(clippy::print_stdout, reason = "the example prints its result")]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use alumet_core::counter::{Counter, CounterRange, DeltaSeries};
use alumet_core::output::RecordingOutput;
use alumet_core::pipeline::PipelineBuilder;
use alumet_core::source::{Accumulator, Source};
use alumet_core::unit::Unit;
use alumet_core::{Consumer, Failure, Resource};

alumet_core::metrics! {
    /// What this program does.
    pub SORTED = Delta<u64> {
        name: "sorted_numbers",
        unit: Unit::ONE,
        description: "Numbers that were sorted.",
        resources: ["local_machine"],
        consumers: ["process"],
        attributes: [],
    };
}

/// Turns the program's own counter into a metric.
struct Progress {
    sorted: Arc<AtomicU64>,
    series: DeltaSeries,
}

impl Source for Progress {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        self.series.push(out, self.sorted.load(Ordering::Relaxed));
        Ok(())
    }

    fn reset(&mut self) {
        self.series.reset();
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let sorted = Arc::new(AtomicU64::new(0));

    // One source, polled 20 times per second, and an output that keeps the samples for us.
    let mut builder = PipelineBuilder::new();
    let metric = builder.catalog().metric(&SORTED)?;
    let this_process = Consumer::Process {
        pid: std::process::id(),
    };
    let series = builder
        .catalog()
        .series(metric, Resource::LocalMachine, this_process)
        .register();
    let source = Progress {
        sorted: Arc::clone(&sorted),
        series: DeltaSeries::new(series, Counter::new(CounterRange::Unknown)),
    };
    builder
        .source("progress", source)
        .every(Duration::from_millis(50));
    let output = RecordingOutput::new();
    let recording = output.recording();
    builder.output("recording", output);
    let pipeline = builder.start()?;
    // The first poll gives the 0 from which the numbers are counted.
    pipeline.control().flush()?;

    // The work.
    let began = Instant::now();
    let mut seed = 1_u64;
    while began.elapsed() < Duration::from_millis(500) {
        let mut numbers: Vec<u64> = (0..1000)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                seed
            })
            .collect();
        numbers.sort_unstable();
        sorted.fetch_add(numbers.len() as u64, Ordering::Relaxed);
    }

    // The last poll, and the end.
    let report = pipeline.stop(Duration::from_secs(5));
    let measured: f64 = recording
        .samples()
        .iter()
        .map(|sample| sample.value.as_f64())
        .sum();
    for sample in recording.samples() {
        println!("{}  {sample}", sample.timestamp);
    }
    println!("{measured} numbers in {} samples", report.ledger.produced);
    if measured as u64 != sorted.load(Ordering::Relaxed) {
        return Err("the samples do not add up to what was sorted".into());
    }
    Ok(())
}
