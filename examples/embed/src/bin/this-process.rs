//! What Linux counts of this process, read as last values.
//!
//! `cargo run -p example-embed --bin this-process`

#![expect(clippy::print_stdout, reason = "the example prints its result")]

use std::error::Error;
use std::time::{Duration, Instant};

use alumet_core::MetricKind;
use alumet_core::output::LastValues;
use alumet_core::pipeline::PipelineBuilder;
use alumet_plugin_procfs::{Config, ProcfsPlugin};

fn main() -> Result<(), Box<dyn Error>> {
    let mut builder = PipelineBuilder::new();
    builder.plugin::<ProcfsPlugin>(Config::this_process(Duration::from_millis(50)))?;
    let values = LastValues::new();
    builder.output("values", values.clone());
    let pipeline = builder.start()?;
    pipeline.control().flush()?;

    // The work.
    let began = Instant::now();
    let mut kept = Vec::new();
    while began.elapsed() < Duration::from_millis(200) {
        kept.push(vec![1_u8; 1 << 12]);
    }

    let report = pipeline.stop(Duration::from_secs(5));
    let mut lines: Vec<String> = values
        .all()
        .iter()
        .map(|total| {
            let unit = total.series.metric.unit.symbol();
            format!(
                "{}: last {} {unit}, sum {} {unit}",
                total.series, total.last, total.sum
            )
        })
        .collect();
    lines.sort();
    lines.iter().for_each(|line| println!("{line}"));
    println!("{} samples, {} kept", report.ledger.produced, kept.len());
    Ok(())
}
