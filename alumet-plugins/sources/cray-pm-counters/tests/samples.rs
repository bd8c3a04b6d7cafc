//! What the source makes of what a node controller shows.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::time::Duration;

use alumet_core::output::RecordedSample;
use alumet_core::plugin::{Finding, Verdict};
use alumet_core::testkit::{self, Bench, FakeRoot, assert_lines};
use alumet_plugin_cray_pm_counters::{Config, CrayPmCountersPlugin};

/// A file that the kernel refuses even to root, for it can only be written.
const REFUSED: &str = "/sys/bus/platform/drivers_probe";

fn start(root: &FakeRoot) -> Bench {
    Bench::start::<CrayPmCountersPlugin>(Config::default(), root.path()).unwrap()
}

fn findings(root: &FakeRoot) -> Vec<Finding> {
    testkit::findings::<CrayPmCountersPlugin>(Config::default(), root.path())
}

/// The samples of a poll one second later, without zeros of refusals and what is the same on all.
fn next(bench: &mut Bench) -> Vec<String> {
    bench.advance(Duration::from_secs(1));
    let samples = bench.poll("cray-pm-counters").unwrap();
    let texts = samples.iter().map(RecordedSample::to_string);
    let texts = texts.filter(|text| !(text.contains("_refused_values") && text.ends_with("= 0")));
    texts
        .map(|text| text.replace(" local_machine local_machine", ""))
        .collect()
}

#[test]
fn a_machine_without_is_no_fault_and_says_what_is_looked_for() {
    let root = FakeRoot::new();
    assert!(start(&root).sources().is_empty());
    let found = findings(&root);
    assert_eq!((found.len(), found[0].verdict), (1, Verdict::Absent));
}

/// A node with two of its accelerators. Names, units and stamps as in the documentation of HPE Cray System Management, "User
/// Access to Compute Node Power Data"; the numbers are made up.
fn node() -> FakeRoot {
    let root = FakeRoot::new();
    for (file, text) in [
        ("accel0_energy", "900 J 1591394934123456 us"),
        ("accel0_power", "99 W 1591394934123456 us"),
        ("accel0_power_cap", "560 W 1591394934123456 us"),
        ("cpu_energy", "500 J 1591394934123456 us"),
        ("cpu_power", "70 W 1591394934123456 us"),
        ("cpu_temp", "45 C 1591394934123456 us"),
        ("energy", "5000 J 1591394934123456 us"),
        ("freshness", "10"),
        ("generation", "1"),
        ("memory_energy", "300 J 1591394934123456 us"),
        ("memory_power", "30 W 1591394934123456 us"),
        ("power", "320 W 1591394934123456 us"),
        ("power_cap", "0 W 1591394934123456 us"),
        ("raw_scan_hz", "10"),
        ("startup", "77"),
        ("version", "2"),
    ] {
        write(&root, file, text);
    }
    root
}

fn write(root: &FakeRoot, file: &str, text: &str) {
    root.write(format!("sys/cray/pm_counters/{file}"), format!("{text}\n"));
}

#[test]
fn energy_power_and_temperature_are_told_by_domain() {
    let root = node();
    let mut bench = start(&root);
    next(&mut bench);
    write(&root, "freshness", "20");
    write(&root, "energy", "5320 J 1591394935123456 us");
    write(&root, "accel0_energy", "1000 J 1591394935123456 us");
    assert_lines(
        next(&mut bench),
        [
            "cray_pm_energy {domain=accel0} = 100",
            "cray_pm_power {domain=accel0} = 99",
            "cray_pm_energy {domain=cpu} = 0",
            "cray_pm_power {domain=cpu} = 70",
            "cray_pm_temperature {domain=cpu} = 45",
            "cray_pm_energy {domain=node} = 320",
            "cray_pm_energy {domain=memory} = 0",
            "cray_pm_power {domain=memory} = 30",
            "cray_pm_power {domain=node} = 320",
        ],
    );
}

#[test]
fn what_was_measured_once_is_told_once() {
    let root = node();
    let mut bench = start(&root);
    assert_eq!(next(&mut bench).len(), 9);
    write(&root, "energy", "5999 J 1591394935123456 us");
    assert!(
        next(&mut bench).is_empty(),
        "the controller says that nothing is new"
    );
    write(&root, "freshness", "11");
    assert!(next(&mut bench).contains(&"cray_pm_energy {domain=node} = 999".to_owned()));
}

#[test]
fn a_controller_that_starts_anew_and_nonsense_make_no_joules() {
    let root = node();
    let mut bench = start(&root);
    next(&mut bench);
    write(&root, "freshness", "20");
    write(&root, "startup", "78");
    write(&root, "energy", "6000 J 1591394935123456 us");
    write(&root, "power", "99999 W 1591394935123456 us");
    write(&root, "cpu_power", "N/A");
    let lines = next(&mut bench);
    assert!(
        lines.contains(&"cray_pm_energy {domain=node} = 0".to_owned()),
        "{lines:?}"
    );
    for absent in ["cray_pm_power {domain=node}", "cray_pm_power {domain=cpu}"] {
        assert!(!lines.iter().any(|line| line.starts_with(absent)), "{lines:?}");
    }
    assert!(
        lines.contains(&"cray_pm_refused_values {reason=excess} = 1".to_owned()),
        "{lines:?}"
    );
    assert!(
        lines.contains(&"cray_pm_refused_values {reason=unreadable} = 1".to_owned()),
        "{lines:?}"
    );
    write(&root, "freshness", "30");
    write(&root, "energy", "4 J 1591394936123456 us");
    assert!(next(&mut bench).contains(&"cray_pm_refused_values {reason=reset} = 1".to_owned()));
}

#[test]
fn domains_are_named_and_what_may_not_be_read() {
    let root = node();
    assert_eq!(findings(&root)[0].detail, "energy of accel0, cpu, node, memory");
    root.remove("sys/cray/pm_counters/cpu_power")
        .link("sys/cray/pm_counters/cpu_power", REFUSED);
    let found = findings(&root);
    assert_eq!(found[1].verdict, Verdict::Limited);
    assert!(found[1].detail.contains("cpu_power"));
    let lines = next(&mut start(&root));
    assert!(
        lines.contains(&"cray_pm_power {domain=node} = 320".to_owned()),
        "{lines:?}"
    );
}
