//! What libraries say to the crates `metrics` and `tracing` becomes samples; their code stays as it is.
//!
//! `cargo run -p example-embed --bin bridges`

#![expect(clippy::print_stdout, reason = "the example prints its result")]

use std::error::Error;
use std::time::Duration;

use alumet_core::bridge::{MetricsRecorder, SpanDurations};
use alumet_core::output::LastValues;
use alumet_core::pipeline::PipelineBuilder;
use tracing_subscriber::prelude::*;

/// Knows nothing of Alumet.
fn handle(request: u32) {
    let _span = tracing::info_span!("handle", request).entered();
    metrics::counter!("handled", "parity" => if request.is_multiple_of(2) { "even" } else { "odd" })
        .increment(1);
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut builder = PipelineBuilder::new();
    let instruments = builder.instruments(Duration::from_millis(50));
    let values = LastValues::new();
    builder.output("values", values.clone());
    metrics::set_global_recorder(MetricsRecorder::new(instruments.clone()))?;
    tracing_subscriber::registry()
        .with(SpanDurations::new(instruments)?)
        .init();
    let pipeline = builder.start()?;

    (0..5).for_each(handle);

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
