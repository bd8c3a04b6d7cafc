//! What the tests of plugins for control groups share (feature `testkit`): programs in groups of this machine, what the kernel has
//! counted for a group, and what was recorded of it.

#![expect(clippy::unwrap_used, reason = "a test ends with a panic when its tools fail")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use alumet_core::output::{RecordedSample, Recording, RecordingOutput};
use alumet_core::pipeline::{Pipeline, PipelineBuilder};
use alumet_core::plugin::Plugin;
use alumet_core::series::SeriesInfo;
use alumet_core::testkit::Bench;
use alumet_core::time::Timestamp;
use alumet_core::unit::Unit;
use alumet_core::value::Value;
use alumet_core::{Attributes, Consumer, Resource};

/// A configuration that measures all that there is in the hierarchy of version 2.
pub const EVERYTHING: &str = "hierarchy = 'v2'
    [metrics]
    pressure = 'on'
    io = 'slow'
    throttling = 'on'
    pids = 'on'
    memory_events = 'on'";

alumet_core::metrics! {
    OTHER = Gauge<u64> {
        name: "other",
        unit: Unit::ONE,
        description: "What another plugin measures.",
        consumers: ["cgroup"],
    };
}

/// A pipeline on this machine with nothing but this plugin.
///
/// # Panics
/// When it does not start.
pub fn pipeline_of<P: Plugin>(config: P::Config) -> (Pipeline, Recording) {
    let output = RecordingOutput::new();
    let recording = output.recording();
    let mut builder = PipelineBuilder::new();
    builder.plugin::<P>(config).unwrap();
    builder.output("recording", output);
    (builder.start().unwrap(), recording)
}

/// Runs a shell in a control group, by its directory, until it ends.
///
/// # Panics
/// When the shell fails.
#[track_caller]
pub fn run_in(folder: &Path, script: &str) {
    let script = format!("echo $$ > \"$0/cgroup.procs\" && {script}");
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).arg(folder);
    assert!(shell.status().unwrap().success());
}

/// Keeps a CPU busy in a control group, by its directory.
///
/// # Panics
/// When the shell that does it fails.
#[track_caller]
pub fn be_busy_in(folder: &Path, time: Duration) {
    let script = format!(
        "until=$(($(date +%s%3N) + {})); while [ $(date +%s%3N) -lt $until ]; do
             j=0; while [ $j -lt 3000 ]; do j=$((j+1)); done
         done",
        time.as_millis()
    );
    run_in(folder, &script);
}

/// The CPU time of a control group in nanoseconds as the kernel has it, by the directory in either version.
///
/// # Panics
/// When the kernel does not count it there.
#[track_caller]
pub fn cpu_time_of(folder: &Path) -> u64 {
    if let Ok(text) = fs::read_to_string(folder.join("cpuacct.usage")) {
        return text.trim().parse().unwrap();
    }
    let text = fs::read_to_string(folder.join("cpu.stat")).unwrap();
    let usage = text.lines().find_map(|line| line.strip_prefix("usage_usec "));
    usage.unwrap().parse::<u64>().unwrap() * 1000
}

/// The control groups that have samples of CPU time, by their paths, with what these samples say of them: their attributes but for
/// `kind`, such as `job_id=7 user=bob`.
pub fn named(samples: &[RecordedSample]) -> BTreeMap<String, String> {
    let pairs = |attributes: &Attributes| {
        let pairs = attributes.iter().filter(|(key, _)| *key != "kind");
        let pairs: Vec<_> = pairs.map(|(key, value)| format!("{key}={value}")).collect();
        pairs.join(" ")
    };
    let of_cpu = samples
        .iter()
        .filter(|sample| sample.series.metric.name == "cpu_time_delta");
    of_cpu
        .map(|sample| {
            (
                sample.series.consumer().id().to_string(),
                pairs(sample.series.attributes()),
            )
        })
        .collect()
}

/// The attributes that a sample of another plugin about a control group has after the transforms, as text.
///
/// # Panics
/// When a transform fails, or takes the sample away.
pub fn annotated(bench: &mut Bench, path: &str) -> String {
    let catalog = bench.catalog().clone();
    let consumer = Consumer::ControlGroup { path: path.into() };
    let metric = catalog.metric(&OTHER).unwrap();
    let series = catalog
        .series(metric, Resource::LocalMachine, consumer)
        .register();
    let mut batch = catalog.batch();
    batch.push(&series, Timestamp::default(), 1);
    bench.transform(&mut batch).unwrap();
    let [sample] = &RecordedSample::of_batch(&batch)[..] else {
        panic!("one sample is one sample");
    };
    assert_eq!(sample.value, Value::U64(1));
    sample.series.attributes().to_string()
}

/// The sum of `cpu_time_delta` with this `kind`, in nanoseconds, over the series that are meant.
pub fn cpu_time(samples: &[RecordedSample], kind: &str, is_meant: impl Fn(&SeriesInfo) -> bool) -> u64 {
    let of_kind = samples.iter().filter(|sample| {
        let found = sample.series.attributes().get("kind");
        sample.series.metric.name == "cpu_time_delta"
            && found.is_some_and(|found| found.to_string() == kind)
            && is_meant(&sample.series)
    });
    let value = |sample: &RecordedSample| match sample.value {
        Value::U64(value) => value,
        _ => 0,
    };
    of_kind.map(value).sum()
}

/// The CPU time of a control group, in nanoseconds, by its path.
pub fn cpu_time_at(samples: &[RecordedSample], path: &str) -> u64 {
    cpu_time(samples, "total", |series| series.consumer().id() == path)
}

/// Waits at most that long, and says how long it took.
pub fn wait_until(limit: Duration, mut is_so: impl FnMut() -> bool) -> Option<Duration> {
    let start = Instant::now();
    while !is_so() {
        if start.elapsed() > limit {
            return None;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Some(start.elapsed())
}

/// Waits until what was billed is what was used, in nanoseconds and within 1 %.
///
/// # Panics
/// When it still is not after 5 s.
#[track_caller]
pub fn wait_until_billed(whose: &str, used: u64, billed: impl Fn() -> u64) {
    let is_right = || billed().abs_diff(used) * 100 <= used;
    let waited = wait_until(Duration::from_secs(5), is_right);
    assert!(waited.is_some(), "{whose}: billed {} ns of {used} ns", billed());
}
