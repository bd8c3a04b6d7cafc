//! Drivers that are old, refuse, forget, or are not there.

use std::time::Duration;

use alumet_core::plugin::{Host, Plugin, StartContext};
use alumet_core::testkit::{Bench, ManualClock, assert_lines};
use alumet_plugin_nvml::{Config, NvmlPlugin};

use crate::simulated::{Driver, lines, source};

fn poll(bench: &mut Bench, names: &[&str]) -> Vec<String> {
    let samples = bench.poll(&source(0)).unwrap();
    bench.advance(Duration::from_secs(1));
    lines(&samples, names)
}

const ENERGY_AND_REFUSALS: [&str; 2] = ["nvml_energy_consumption", "nvml_refused_values"];

#[test]
fn a_driver_that_lacks_functions_shows_what_it_has() {
    let mut driver = Driver::old();
    driver.set([
        ("0.power", 70_000),
        ("0.total", 5000),
        ("0.used", 700),
        ("0.temperature", 40),
    ]);
    driver.set([("0.compute", "7:4096:4294967295:4294967295")]);
    let mut bench = driver.bench(|_| {});
    poll(&mut bench, &[]);
    assert_lines(
        poll(
            &mut bench,
            &[
                "nvml_est",
                "nvml_energy",
                "nvml_instant",
                "nvml_gpu_mem",
                "nvml_temp",
                "nvml_used",
                "nvml_refused",
            ],
        ),
        [
            "nvml_estimated_energy_consumption local_machine {} = 70000",
            "nvml_gpu_memory_info local_machine {kind=free} = 4300",
            "nvml_gpu_memory_info local_machine {kind=total} = 5000",
            "nvml_gpu_memory_info local_machine {kind=used} = 700",
            "nvml_instant_power local_machine {} = 70000",
            "nvml_temperature_gpu local_machine {} = 40",
            "nvml_used_gpu_memory process:7 {context=compute} = 4096",
        ],
    );
}

#[test]
fn a_value_that_fails_is_counted_and_the_others_are_there() {
    let mut driver = Driver::new();
    driver.set([("0.temperature", 40), ("0.fan", 20)]);
    let mut bench = driver.bench(|_| {});
    poll(&mut bench, &[]);
    for code in [999, 10, 19] {
        driver.set([("0.fail.nvmlDeviceGetTemperature", code)]);
        assert_lines(
            poll(&mut bench, &["nvml_temp", "nvml_fan", "nvml_refused"]),
            [
                "nvml_fan_speed local_machine {} = 20",
                "nvml_refused_values local_machine {reason=unreadable} = 1",
            ],
        );
    }
    // What is not permitted is not asked for again, and no fault.
    driver.set([("0.fail.nvmlDeviceGetTemperature", 4)]);
    assert_lines(poll(&mut bench, &["nvml_temp", "nvml_refused"]), [] as [&str; 0]);
    driver.unset(&["0.fail.nvmlDeviceGetTemperature"]);
    assert_lines(poll(&mut bench, &["nvml_temp"]), [] as [&str; 0]);
}

#[test]
fn a_gpu_that_is_lost_is_left_out_and_begins_anew() {
    let mut driver = Driver::new();
    driver.set([("count", 2), ("1.field.83", 5), ("1.field.186", 5)]);
    let mut bench = driver.bench(|_| {});
    let energy = |value: &str| format!("nvml_energy_consumption local_machine {{}} = {value}");
    poll(&mut bench, &[]);
    driver.set([("0.field.83", 1_100_000)]);
    assert_lines(poll(&mut bench, &ENERGY_AND_REFUSALS), [energy("100000")]);
    driver.set([("0.fail", 15)]);
    let refused = "nvml_refused_values local_machine {reason=unreadable} = 1";
    assert_lines(poll(&mut bench, &ENERGY_AND_REFUSALS), [refused]);
    // The other one goes on, and this one is not asked at each tick.
    assert!(!bench.poll(&source(1)).unwrap().is_empty());
    for _ in 0..4 {
        assert_lines(poll(&mut bench, &ENERGY_AND_REFUSALS), [] as [&str; 0]);
    }
    driver.unset(&["0.fail"]);
    driver.set([("0.field.83", 9_000_000)]);
    assert_lines(poll(&mut bench, &ENERGY_AND_REFUSALS), [energy("0")]);
    driver.set([("0.field.83", 9_050_000)]);
    assert_lines(poll(&mut bench, &ENERGY_AND_REFUSALS), [energy("50000")]);
}

#[test]
fn a_driver_that_is_replaced_while_the_agent_runs_is_loaded_anew() {
    let mut driver = Driver::new();
    let mut bench = driver.bench(|_| {});
    poll(&mut bench, &[]);
    // Unloaded, with its library removed.
    driver.set([("fail", 9), ("init", 9)]);
    let kept = std::fs::read(driver.file()).unwrap();
    std::fs::remove_file(driver.file()).unwrap();
    for _ in 0..7 {
        poll(&mut bench, &[]);
    }
    driver.unset(&["fail", "init"]);
    std::fs::write(driver.file(), kept).unwrap();
    let later: Vec<_> = (0..6).flat_map(|_| poll(&mut bench, &["nvml_energy"])).collect();
    assert_eq!(
        later.first().unwrap(),
        "nvml_energy_consumption local_machine {} = 0"
    );
}

#[test]
fn who_does_not_skip_failed_devices_is_told_of_each() {
    let mut driver = Driver::new();
    driver.set([("0.fail", 15)]);
    let mut config = driver.config();
    config.skip_failed_devices = false;
    let error = Bench::start::<NvmlPlugin>(config.clone(), "/")
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("the GPU is lost; `dmesg"), "{error}");
    driver.unset(&["0.fail"]);
    let mut bench = Bench::start::<NvmlPlugin>(config, "/").unwrap();
    bench.poll(&source(0)).unwrap();
    driver.set([("0.fail", 15)]);
    let error = bench.poll(&source(0)).unwrap_err().to_string();
    assert!(error.contains("the GPU is lost"), "{error}");
}

/// What `doctor` would say.
fn findings(config: Config) -> Vec<String> {
    let host = Host::trial(std::sync::Arc::new(ManualClock::new()), "/");
    let mut context = StartContext::new(&host);
    NvmlPlugin::start(config, &mut context).unwrap();
    let findings = context.findings().iter();
    findings
        .map(|finding| format!("{:?}: {}", finding.verdict, finding.detail))
        .collect()
}

#[test]
fn a_machine_without_a_driver_is_no_fault_and_says_why_nothing_is_measured() {
    let config = Config {
        library: Some("/nowhere/libnvidia-ml.so.1".into()),
        ..Config::default()
    };
    let found = findings(config.clone());
    assert!(
        found[0].starts_with("Absent: there is no driver of NVIDIA: /nowhere/libnvidia-ml.so.1"),
        "{found:?}"
    );
    let mut bench = Bench::start::<NvmlPlugin>(config, "/").unwrap();
    assert_eq!(bench.poll("devices").unwrap(), []);
}

#[test]
fn a_trial_tells_of_each_gpu_and_of_what_it_lacks() {
    let mut driver = Driver::new();
    driver.set([
        ("count", "2"),
        ("1.power", "5"),
        ("1.fail.nvmlDeviceRegisterEvents", "4"),
    ]);
    let found = findings(driver.config());
    assert!(
        found[0]
            .starts_with("Works: Simulated 0 (00000000:01:00.0), driver 535.129.03, counts its energy; it"),
        "{found:?}"
    );
    assert!(
        found[1].starts_with("Works: Simulated 1 (00000000:02:00.0), driver 535.129.03, counts no energy, which is modelled by its power; it"),
        "{found:?}"
    );
    assert!(found[1].contains("nvmlDeviceRegisterEvents"), "{found:?}");
    driver.set([("init", 9)]);
    let found = findings(driver.config());
    assert!(
        found[0].starts_with("Broken: nvmlInit_v2: the kernel module is not loaded"),
        "{found:?}"
    );
    driver.set([("init", 0), ("count", 0)]);
    assert_eq!(findings(driver.config()), ["Absent: the driver shows none"]);
}
