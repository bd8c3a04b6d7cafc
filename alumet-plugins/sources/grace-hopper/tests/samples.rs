//! What the source makes of the power meters of superchips.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::time::Duration;

use alumet_core::output::RecordedSample;
use alumet_core::plugin::{Finding, Verdict};
use alumet_core::testkit::{self, Bench, FakeRoot, assert_lines};
use alumet_plugin_grace_hopper::{Config, GraceHopperPlugin};
use alumet_shared_sensor_source::SensorClaims;

/// A file that the kernel refuses even to root, for it can only be written.
const REFUSED: &str = "/sys/bus/platform/drivers_probe";

fn start(root: &FakeRoot) -> Bench {
    Bench::start::<GraceHopperPlugin>(Config::default(), root.path()).unwrap()
}

fn findings(root: &FakeRoot) -> Vec<Finding> {
    testkit::findings::<GraceHopperPlugin>(Config::default(), root.path())
}

/// The samples of a poll one second later, without zeros of refusals and what is the same on all.
fn next(bench: &mut Bench) -> Vec<String> {
    bench.advance(Duration::from_secs(1));
    let samples = bench.poll("grace-hopper").unwrap();
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

/// Meters with the names of the NVIDIA Grace Performance Tuning Guide, "Power and Thermals", in the folders of the driver
/// `acpi_power_meter`; the numbers, in watts, are made up.
fn machine(meters: &[(&str, u32)]) -> FakeRoot {
    let root = FakeRoot::new();
    for (number, (info, watts)) in meters.iter().enumerate() {
        let device = format!("sys/class/hwmon/hwmon{number}/device");
        root.write(format!("{device}/power1_oem_info"), format!("{info}\n"))
            .write(format!("{device}/power1_average"), format!("{watts}000000\n"))
            .write(format!("{device}/power1_average_interval"), "50\n");
    }
    root
}

const GRACE_HOPPER: [(&str, u32); 4] = [
    ("Module Power Socket 0", 300),
    ("Grace Power Socket 0", 100),
    ("CPU Power Socket 0", 60),
    ("SysIO Power Socket 0", 25),
];

#[test]
fn parts_memory_and_sums_have_power_and_energy() {
    let root = machine(&GRACE_HOPPER);
    let mut bench = start(&root);
    next(&mut bench);
    let lines = next(&mut bench);
    let with = |place: &str, sensor: &str, watts: u32| {
        [
            format!("grace_instant_power {place}{{sensor={sensor}}} = {watts}000000"),
            format!("grace_energy_consumption {place}{{sensor={sensor}}} = {watts}000"),
        ]
    };
    let package = "cpu_package:0 local_machine ";
    let expected = [
        with(package, "module", 300),
        with(package, "grace", 100),
        with(package, "cpu", 60),
        with(package, "sysio", 25),
        with("dram:0 local_machine ", "dram", 15),
        with("", "module_total", 300),
        with("", "grace_total", 100),
        with("", "cpu_total", 60),
        with("", "sysio_total", 25),
        with("", "dram_total", 15),
        with("", "total", 300),
    ];
    assert_lines(lines, expected.into_iter().flatten());
}

#[test]
fn a_superchip_without_hopper_is_the_sum_of_its_sockets() {
    let meters = [
        ("Grace Power Socket 0", 100),
        ("Grace Power Socket 1", 120),
        // The same again is told once.
        ("Grace Power Socket 1", 120),
        ("CPU Power Socket 0", 90),
        ("SysIO Power Socket 0", 20),
        ("Total system power", 500),
    ];
    let root = machine(&meters);
    let mut bench = start(&root);
    let lines = next(&mut bench);
    assert!(
        lines.contains(&"grace_instant_power {sensor=total} = 220000000".to_owned()),
        "{lines:?}"
    );
    assert!(!lines.iter().any(|line| line.contains("500000000")), "{lines:?}");
    // The rails are measured at other moments than the socket: what is left is never negative.
    assert!(
        lines.contains(&"grace_instant_power dram:0 local_machine {sensor=dram} = 0".to_owned()),
        "{lines:?}"
    );
    assert!(!lines.iter().any(|line| line.contains("dram:1")), "{lines:?}");
    assert_eq!(
        lines.iter().filter(|line| line.contains("cpu_package:1")).count(),
        2,
        "{lines:?}"
    );
}

#[test]
fn a_meter_that_may_not_be_read_takes_only_its_sums_away() {
    let root = machine(&GRACE_HOPPER);
    let power = "sys/class/hwmon/hwmon3/device/power1_average";
    root.remove(power).link(power, REFUSED);
    let found = findings(&root);
    assert_eq!(
        found[0].detail,
        "module of socket 0, grace of socket 0, cpu of socket 0, sysio of socket 0"
    );
    assert_eq!(found[1].verdict, Verdict::Limited);
    let lines = next(&mut start(&root));
    assert!(
        !lines
            .iter()
            .any(|line| line.contains("sysio") || line.contains("dram")),
        "{lines:?}"
    );
    assert!(
        lines.contains(&"grace_instant_power {sensor=cpu_total} = 60000000".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn the_meters_are_claimed_and_another_folder_can_be_named() {
    let root = machine(&GRACE_HOPPER);
    let bench = start(&root);
    let claims = SensorClaims::shared(bench.services());
    assert!(claims.is_claimed(&root.path().join("sys/class/hwmon/hwmon2")));
    let config = Config {
        root_path: "/elsewhere".into(),
        ..Config::default()
    };
    let bench = Bench::start::<GraceHopperPlugin>(config, root.path()).unwrap();
    assert!(bench.sources().is_empty());
}
