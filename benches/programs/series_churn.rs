//! What short-lived series cost in memory: `cargo run --release -p alumet-benches --bin series-churn`.
//!
//! Two million processes come and go through a running pipeline. Ends with an error when the first million costs more
//! than 20 MiB or the second one anything to speak of.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program of the benchmarks talks to whoever runs it"
)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use alumet_benches::BENCH;
use alumet_benches::counted::Counted;
use alumet_core::catalog::MetricHandle;
use alumet_core::failure::Failure;
use alumet_core::output::NullOutput;
use alumet_core::pipeline::{ElementKind, Pattern, PipelineBuilder};
use alumet_core::source::{Accumulator, Source};
use alumet_core::{Consumer, Resource};

const PER_POLL: u32 = 1000;
const MILLION: u32 = 1_000_000;

/// Each poll has new processes, and those of the poll before are gone.
struct Forks {
    metric: MetricHandle<u64>,
    next: u32,
    alive: Vec<alumet_core::Series<u64>>,
}

impl Source for Forks {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        self.alive.clear();
        for _ in 0..PER_POLL {
            self.next += 1;
            let consumer = Consumer::Process { pid: self.next };
            let series = out
                .catalog()
                .series(self.metric, Resource::LocalMachine, consumer);
            let series = series.attribute("kind", "user").register();
            out.push(&series, 1);
            self.alive.push(series);
        }
        Ok(())
    }
}

fn main() -> ExitCode {
    let mut builder = PipelineBuilder::new();
    let metric = builder.catalog().metric(&BENCH).expect("a new catalog");
    builder
        .source(
            "forks",
            Forks {
                metric,
                next: 0,
                alive: Vec::new(),
            },
        )
        .every(Duration::from_secs(3600));
    builder.output("null", NullOutput);
    let pipeline = builder.start().expect("a pipeline");
    let sources = Pattern::kind(ElementKind::Source);
    let start = resident_kib();
    let mut grown = [0; 2];
    for (round, grown) in grown.iter_mut().enumerate() {
        let (began, before) = (Instant::now(), resident_kib());
        for _ in 0..MILLION / PER_POLL {
            pipeline.control().trigger(&sources).expect("a poll");
            pipeline.control().flush().expect("a flush");
        }
        *grown = resident_kib().saturating_sub(before);
        let nanos = began.elapsed().as_nanos() / u128::from(MILLION);
        println!(
            "million {}: +{} KiB resident, {nanos} ns per series, {} slots",
            round + 1,
            *grown,
            pipeline.catalog().series_slots()
        );
    }
    println!("from {start} KiB to {} KiB", resident_kib());
    if grown[0] > 20 * 1024 || grown[1] > 512 {
        println!("that is too much");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn resident_kib() -> u64 {
    Counted::read(std::process::id()).resident_kib
}
