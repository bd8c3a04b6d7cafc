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
    let numbers = vec![1_u64; 2 << 20];
    let mut sum = 0;
    while began.elapsed() < Duration::from_millis(200) {
        sum = numbers.iter().sum::<u64>();
    }

    let report = pipeline.stop(Duration::from_secs(5));
    let mut lines: Vec<String> = values
        .all()
        .iter()
        .map(|total| {
            let unit = total.series.metric.unit.symbol();
            match total.series.metric.kind {
                MetricKind::Gauge => format!("{}: {:.1} {unit} on average", total.series, total.mean()),
                MetricKind::Delta | MetricKind::Counter => {
                    format!("{}: {} {unit}", total.series, total.sum)
                }
            }
        })
        .collect();
    lines.sort();
    lines.iter().for_each(|line| println!("{line}"));
    println!("{} samples while {sum} was computed", report.ledger.produced);
    Ok(())
}
