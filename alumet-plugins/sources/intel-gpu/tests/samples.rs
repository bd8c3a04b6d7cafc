//! What the sources make of graphics processors and their processes.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::time::Duration;

use alumet_core::output::RecordedSample;
use alumet_core::plugin::{Finding, Verdict};
use alumet_core::testkit::{self, Bench, FakeRoot, assert_lines};
use alumet_plugin_intel_gpu::{Config, IntelGpuPlugin};
use alumet_shared_sensor_source::SensorClaims;

/// A file that the kernel refuses even to root, for it can only be written.
const REFUSED: &str = "/sys/bus/platform/drivers_probe";

fn start(root: &FakeRoot) -> Bench {
    Bench::start::<IntelGpuPlugin>(Config::default(), root.path()).unwrap()
}

fn findings(root: &FakeRoot) -> Vec<Finding> {
    testkit::findings::<IntelGpuPlugin>(Config::default(), root.path())
}

/// The samples of a poll one second later, without zeros of refusals and what is the same on all.
fn next(bench: &mut Bench) -> Vec<String> {
    bench.advance(Duration::from_secs(1));
    poll(bench, "intel-gpu")
}

fn poll(bench: &mut Bench, source: &str) -> Vec<String> {
    let samples = bench.poll(source).unwrap();
    let texts = samples.iter().map(RecordedSample::to_string);
    let texts = texts.filter(|text| !(text.contains("_refused_values") && text.ends_with("= 0")));
    texts
        .map(|text| {
            text.replace(" gpu:0000:03:00.0 local_machine", "")
                .replace(" gpu:0000:03:00.0", "")
        })
        .collect()
}

#[test]
fn a_machine_without_is_no_fault_and_says_what_is_looked_for() {
    let root = FakeRoot::new();
    assert!(start(&root).sources().is_empty());
    let found = findings(&root);
    assert_eq!((found.len(), found[0].verdict), (1, Verdict::Absent));
}

const CARD: &str = "sys/class/drm/card1";

fn card(driver: &str, files: &[(&str, &str)]) -> FakeRoot {
    let root = FakeRoot::new();
    root.write(
        format!("{CARD}/device/uevent"),
        format!("DRIVER={driver}\nPCI_SLOT_NAME=0000:03:00.0\n"),
    );
    for (file, text) in files {
        root.write(format!("{CARD}/{file}"), format!("{text}\n"));
    }
    root
}

/// An Arc B580: files as in `Documentation/ABI/testing/sysfs-driver-intel-xe-hwmon` and in `xe_gt_freq.c` of Linux; the numbers
/// are made up.
fn battlemage() -> FakeRoot {
    card(
        "xe",
        &[
            ("device/hwmon/hwmon5/name", "xe"),
            ("device/hwmon/hwmon5/energy1_input", "9000000"),
            ("device/hwmon/hwmon5/energy2_input", "4000000"),
            ("device/hwmon/hwmon5/power1_cap", "190000000"),
            ("device/hwmon/hwmon5/temp2_input", "52000"),
            ("device/hwmon/hwmon5/temp2_label", "pkg"),
            ("device/hwmon/hwmon5/in1_input", "650"),
            ("device/hwmon/hwmon5/fan1_input", "800"),
            ("device/tile0/gt0/freq0/act_freq", "1200"),
            ("device/tile0/gt1/freq0/act_freq", "0"),
        ],
    )
}

#[test]
fn energy_is_that_of_the_card_and_of_its_package() {
    let root = battlemage();
    let mut bench = start(&root);
    next(&mut bench);
    root.write(format!("{CARD}/device/hwmon/hwmon5/energy1_input"), "39500000\n");
    assert_lines(
        next(&mut bench),
        [
            "intel_gpu_frequency {gt=gt0} = 1200000000",
            "intel_gpu_frequency {gt=gt1} = 0",
            "intel_gpu_temperature {sensor=pkg} = 52",
            "intel_gpu_voltage {sensor=in1} = 650",
            "intel_gpu_fan_speed {sensor=fan1} = 800",
            "intel_gpu_energy {domain=card} = 30.5",
            "intel_gpu_energy {domain=package} = 0",
        ],
    );
    assert_eq!(
        findings(&root)[0].detail,
        "0000:03:00.0 (xe): 7 sensors, energy by its counter"
    );
    assert!(
        SensorClaims::shared(bench.services())
            .is_claimed(&root.path().join(CARD).join("device/hwmon/hwmon5"))
    );
}

/// An Arc A770 with i915: `Documentation/ABI/testing/sysfs-driver-intel-i915-hwmon` of Linux.
#[test]
fn energy_of_a_part_of_a_card_is_not_told_beside_that_of_the_card() {
    let root = card(
        "i915",
        &[
            ("device/hwmon/hwmon5/name", "i915"),
            ("device/hwmon/hwmon5/energy1_input", "5000000"),
            ("device/hwmon/hwmon6/name", "i915_gt0"),
            ("device/hwmon/hwmon6/energy1_input", "4000000"),
            ("gt/gt0/rps_act_freq_mhz", "300"),
            ("gt_act_freq_mhz", "300"),
        ],
    );
    assert_lines(
        next(&mut start(&root)),
        [
            "intel_gpu_frequency {gt=gt0} = 300000000",
            "intel_gpu_energy {domain=card} = 0",
        ],
    );
}

#[test]
fn an_integrated_one_has_a_frequency_and_processes_but_no_energy() {
    let root = card("i915", &[("gt_act_freq_mhz", "450")]);
    root.link("proc/40/fd/5", "/dev/dri/card0")
        .write("proc/40/comm", "browser\n");
    let usage = |ns: u64| {
        root.write(
            "proc/40/fdinfo/5",
            format!(
                "drm-driver:\ti915\ndrm-client-id:\t7\ndrm-pdev:\t0000:03:00.0\ndrm-engine-render:\t{ns} ns\n\
                 drm-engine-video:\t0 ns\ndrm-engine-capacity-video:\t2\ndrm-total-system0:\t9 KiB\n\
                 drm-resident-system0:\t8 KiB\n"
            ),
        );
    };
    usage(100);
    let mut bench = start(&root);
    assert_lines(next(&mut bench), ["intel_gpu_frequency {gt=gt0} = 450000000"]);
    poll(&mut bench, "intel-gpu-processes");
    usage(350);
    assert_lines(
        poll(&mut bench, "intel-gpu-processes"),
        [
            "intel_gpu_process_engine_time process:40 {engine=render, process_name=browser} = 250",
            "intel_gpu_process_engine_time process:40 {engine=video, process_name=browser} = 0",
            "intel_gpu_process_memory process:40 {process_name=browser, region=system0} = 8192",
        ],
    );
    assert!(findings(&root)[0].detail.contains("no energy"));
}

#[test]
fn a_counter_that_may_not_be_read_is_named_and_the_rest_is_measured() {
    let root = battlemage();
    let energy = format!("{CARD}/device/hwmon/hwmon5/energy1_input");
    root.remove(&energy).link(&energy, REFUSED);
    let found = findings(&root);
    assert_eq!(found[1].verdict, Verdict::Limited);
    assert!(found[1].remedy.as_ref().unwrap().contains("energy1_input"));
    let lines = next(&mut start(&root));
    assert!(
        lines.contains(&"intel_gpu_energy {domain=package} = 0".to_owned()),
        "{lines:?}"
    );
    assert!(
        !lines.iter().any(|line| line.contains("domain=card")),
        "{lines:?}"
    );
}

#[test]
fn a_card_that_sleeps_is_not_read_and_what_it_counted_follows() {
    let root = battlemage();
    let status = format!("{CARD}/device/power/runtime_status");
    root.write(&status, "active\n");
    let mut bench = start(&root);
    next(&mut bench);
    root.write(&status, "suspended\n");
    root.write(format!("{CARD}/device/hwmon/hwmon5/energy1_input"), "12000000\n");
    assert!(next(&mut bench).is_empty());
    root.write(&status, "active\n");
    assert!(next(&mut bench).contains(&"intel_gpu_energy {domain=card} = 3".to_owned()));
}
