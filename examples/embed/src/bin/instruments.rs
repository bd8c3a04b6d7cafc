//! Counters, gauges and histograms that code moves where something happens, without a source.
//!
//! `cargo run -p example-embed --bin instruments`

#![expect(clippy::print_stdout, reason = "the example prints its result")]

use std::error::Error;
use std::time::{Duration, Instant};

use alumet_core::Unit;
use alumet_core::output::LastValues;
use alumet_core::pipeline::PipelineBuilder;

fn main() -> Result<(), Box<dyn Error>> {
    let mut builder = PipelineBuilder::new();
    let instruments = builder.instruments(Duration::from_millis(50));
    let values = LastValues::new();
    builder.output("values", values.clone());
    let requests = instruments.counter("requests", Unit::ONE, "Requests that were answered.")?;
    let waiting = instruments.gauge("requests_waiting", Unit::ONE, "Requests that wait.")?;
    let bounds = [1e-6, 1e-5, 1e-4, 1e-3];
    let latency = instruments.histogram("latency", Unit::SECOND, "Time of a request.", &bounds)?;
    let pipeline = builder.start()?;

    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                waiting.add(250.0);
                for _ in 0..250 {
                    let began = Instant::now();
                    std::hint::black_box((0..1000).sum::<u32>());
                    latency.record(began.elapsed().as_secs_f64());
                    requests.add(1);
                    waiting.add(-1.0);
                }
            });
        }
    });

    pipeline.stop(Duration::from_secs(5));
    let mut lines: Vec<String> = values
        .all()
        .iter()
        .map(|total| format!("{} = {}", total.series, total.last))
        .collect();
    lines.sort();
    lines.iter().for_each(|line| println!("{line}"));
    Ok(())
}
