//! The plugin in a pipeline: a driver that hangs, and GPUs that appear later.

use std::path::Path;
use std::time::{Duration, Instant};

use alumet_core::duration::HumanDuration;
use alumet_core::failure::Failure;
use alumet_core::output::{Recording, RecordingOutput};
use alumet_core::pipeline::{ElementStatus, Pipeline, PipelineBuilder};
use alumet_core::source::{Accumulator, Source};
use alumet_core::testkit::FakeRoot;
use alumet_plugin_nvml::{Config, NvmlPlugin};

use crate::simulated::{Driver, lines, source};

/// Measures nothing, and would be late if something held it up.
struct Bystander;

impl Source for Bystander {
    fn poll(&mut self, _: &mut Accumulator<'_>) -> Result<(), Failure> {
        Ok(())
    }
}

const INTERVAL: Duration = Duration::from_millis(500);

fn running(config: Config) -> (Pipeline, Recording) {
    running_on(Path::new("/"), config)
}

fn running_on(root: &Path, mut config: Config) -> (Pipeline, Recording) {
    config.poll_interval = HumanDuration(INTERVAL);
    config.flush_interval = HumanDuration(INTERVAL);
    let mut builder = PipelineBuilder::new().root(root);
    builder.plugin::<NvmlPlugin>(config).unwrap();
    builder.source("bystander", Bystander).every(INTERVAL);
    let output = RecordingOutput::new();
    let recording = output.recording();
    builder.output("recording", output);
    (builder.start().unwrap(), recording)
}

fn status(pipeline: &Pipeline, name: &str) -> ElementStatus {
    let all = pipeline.control().status().unwrap().elements;
    let found = all.iter().find(|element| element.key.to_string().ends_with(name));
    found.unwrap_or_else(|| panic!("no {name} in {all:?}")).clone()
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(30), "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_call_that_hangs_delays_neither_other_boards_nor_other_sources() {
    let mut driver = Driver::new();
    driver.set([
        ("count", 2),
        ("1.field.83", 1),
        ("1.field.186", 1),
        ("0.temperature", 40),
    ]);
    let (pipeline, recording) = running(driver.config());
    let (hanging, sound) = (source(0), source(1));
    wait_until("both were polled", || {
        status(&pipeline, &hanging)
            .calls
            .min(status(&pipeline, &sound).calls)
            > 0
    });
    driver.set([("0.hang.nvmlDeviceGetTemperature", 5000)]);
    wait_until("the call has lasted for four seconds", || {
        status(&pipeline, &hanging).polling >= Some(Duration::from_secs(4))
    });
    driver.unset(&["0.hang.nvmlDeviceGetTemperature"]);
    for name in [sound.as_str(), "bystander"] {
        let status = status(&pipeline, name);
        assert_eq!((status.missed_ticks, status.overruns), (0, 0), "{name}");
        assert!(status.calls >= 8, "{name}: {} calls", status.calls);
    }
    // It shows, and is polled again as soon as it answers.
    wait_until("the call has ended", || {
        status(&pipeline, &hanging).polling.is_none()
    });
    assert!(status(&pipeline, &hanging).missed_ticks >= 8);
    recording.take();
    wait_until("the board is measured again", || {
        !lines(&recording.samples(), &["nvml_energy_consumption local_machine"]).is_empty()
            || lines(&recording.samples(), &["nvml_temperature_gpu"]).len() > 1
    });
    let report = pipeline.stop(Duration::from_secs(10));
    assert!(report.stuck.is_empty(), "{:?}", report.stuck);
}

#[test]
fn gpus_that_all_sleep_are_not_woken_and_are_measured_when_somebody_uses_one() {
    let driver = Driver::new();
    let root = FakeRoot::new();
    let device = |number: u32, file: &str, text: &str| {
        root.write(
            format!("sys/bus/pci/devices/0000:0{number}:00.0/{file}"),
            format!("{text}\n"),
        );
    };
    // Two GPUs, and the sound of one, which is awake.
    for (number, class, status) in [
        (1, "0x030000", "suspended"),
        (2, "0x030200", "suspended"),
        (3, "0x040300", "active"),
    ] {
        device(number, "vendor", "0x10de");
        device(number, "class", class);
        device(number, "power/runtime_status", status);
    }
    let (pipeline, recording) = running_on(root.path(), driver.config());
    wait_until("it was looked again", || status(&pipeline, "devices").calls >= 2);
    assert!(lines(&recording.samples(), &["nvml_"]).is_empty());
    device(2, "power/runtime_status", "active");
    wait_until("it has a sample", || {
        !lines(&recording.samples(), &["nvml_energy_consumption"]).is_empty()
    });
    pipeline.stop(Duration::from_secs(10));
}

#[test]
fn a_gpu_that_appears_later_is_measured() {
    let mut driver = Driver::new();
    let (pipeline, recording) = running(driver.config());
    driver.set([("count", 2), ("1.field.83", 77), ("1.field.186", 5)]);
    pipeline
        .control()
        .trigger(&"src/nvml/devices".parse().unwrap())
        .unwrap();
    wait_until("it has a sample", || {
        let samples = recording.samples();
        samples
            .iter()
            .any(|sample| *sample.series.resource().id() == *"00000000:02:00.0")
    });
    // It is not added twice.
    pipeline
        .control()
        .trigger(&"src/nvml/devices".parse().unwrap())
        .unwrap();
    pipeline.stop(Duration::from_secs(10));
}

#[test]
fn a_driver_that_hangs_at_the_start_does_not_keep_the_agent_from_starting() {
    let mut driver = Driver::new();
    driver.set([("init.hang", 6000)]);
    let begin = Instant::now();
    let (pipeline, recording) = running(driver.config());
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert!(status(&pipeline, "bystander").schedule.is_some());
    wait_until("the driver has answered and its GPU is measured", || {
        !lines(&recording.samples(), &["nvml_energy_consumption"]).is_empty()
    });
    pipeline.stop(Duration::from_secs(10));
}
