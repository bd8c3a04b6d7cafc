//! Jobs on this machine, in a pipeline that runs.

#![expect(clippy::unwrap_used, reason = "helpers fail the test like the test itself")]

mod by_hand;
mod slurm;

use std::time::{Duration, Instant};

use alumet_core::output::{RecordedSample, Recording, RecordingOutput};
use alumet_core::pipeline::{Pipeline, PipelineBuilder};
use alumet_core::value::Value;
use alumet_plugin_slurm::{Config, SlurmPlugin};

fn pipeline(config: &str) -> (Pipeline, Recording) {
    let config: Config = toml::from_str(config).unwrap();
    let output = RecordingOutput::new();
    let recording = output.recording();
    let mut builder = PipelineBuilder::new();
    builder.plugin::<SlurmPlugin>(config).unwrap();
    builder.output("recording", output);
    (builder.start().unwrap(), recording)
}

/// The sum of the CPU time of a job, in nanoseconds.
fn cpu_time(samples: &[RecordedSample], job_id: u64) -> u64 {
    let is_it = |sample: &&RecordedSample| {
        let has = |key: &str, value: &str| {
            let found = sample.series.attributes().get(key);
            found.is_some_and(|found| found.to_string() == value)
        };
        sample.series.metric.name == "cpu_time_delta"
            && has("kind", "total")
            && has("job_id", &job_id.to_string())
            && sample.series.attributes().get("step").is_none()
    };
    let value = |sample: &RecordedSample| match sample.value {
        Value::U64(value) => value,
        _ => 0,
    };
    samples.iter().filter(is_it).map(value).sum()
}

fn wait_until(limit: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !is_so() {
        if start.elapsed() > limit {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}
