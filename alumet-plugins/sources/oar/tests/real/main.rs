//! Jobs on this machine, in a pipeline that runs.

#![expect(clippy::unwrap_used, reason = "helpers fail the test like the test itself")]

mod by_hand;
mod oar_2;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use alumet_core::output::{RecordedSample, Recording, RecordingOutput};
use alumet_core::pipeline::{Pipeline, PipelineBuilder};
use alumet_core::value::Value;
use alumet_plugin_oar::{Config, OarPlugin};
use nix::sys::resource::{UsageWho, getrusage};
use parking_lot::Mutex;

/// What children use is counted for all tests of this program together: one at a time.
static CHILDREN: Mutex<()> = Mutex::new(());

fn pipeline(config: &str) -> (Pipeline, Recording) {
    let config: Config = toml::from_str(config).unwrap();
    let output = RecordingOutput::new();
    let recording = output.recording();
    let mut builder = PipelineBuilder::new();
    builder.plugin::<OarPlugin>(config).unwrap();
    builder.output("recording", output);
    (builder.start().unwrap(), recording)
}

fn cpu_of_children() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let time = |value: nix::sys::time::TimeVal| {
        Duration::from_secs(value.tv_sec() as u64) + Duration::from_micros(value.tv_usec() as u64)
    };
    time(usage.user_time()) + time(usage.system_time())
}

/// The CPU time of a job, in nanoseconds.
fn cpu_time(samples: &[RecordedSample], job_id: u64) -> u64 {
    let expected = [
        ("kind", "total"),
        ("job_id", &job_id.to_string()),
        ("user_id", "0"),
    ];
    let has = |sample: &RecordedSample, key: &str, value: &str| {
        let found = sample.series.attributes().get(key);
        found.is_some_and(|found| found.to_string() == value)
    };
    let is_it = |sample: &&RecordedSample| {
        sample.series.metric.name == "cpu_time_delta"
            && expected.iter().all(|(key, value)| has(sample, key, value))
    };
    let value = |sample: &RecordedSample| match sample.value {
        Value::U64(value) => value,
        _ => 0,
    };
    samples.iter().filter(is_it).map(value).sum()
}

/// Keeps a CPU busy for 300 ms in a group, by its file `cgroup.procs`; gives the CPU time, in nanoseconds.
fn busy_in(folder: &Path) -> u64 {
    let before = cpu_of_children();
    let script = "echo $$ > \"$0/cgroup.procs\"; end=$(($(date +%s%N) + 300000000))
        while [ $(date +%s%N) -lt $end ]; do i=0; while [ $i -lt 5000 ]; do i=$((i+1)); done; done";
    let status = Command::new("sh")
        .arg("-c")
        .arg(script)
        .arg(folder)
        .status()
        .unwrap();
    assert!(status.success());
    (cpu_of_children() - before).as_nanos() as u64
}

/// Waits until the CPU time of a job is what it has used, within 1 %.
#[track_caller]
fn is_billed(recording: &Recording, job_id: u64, used: u64) {
    let start = Instant::now();
    let billed = || cpu_time(&recording.samples(), job_id);
    while billed().abs_diff(used) * 100 > used {
        let waited = start.elapsed();
        assert!(
            waited < Duration::from_secs(5),
            "job {job_id}: billed {} ns, used {used} ns",
            billed()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}
