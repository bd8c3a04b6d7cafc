//! What the source makes of sensors and batteries.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::time::Duration;

use alumet_core::output::RecordedSample;
use alumet_core::plugin::{Finding, Verdict};
use alumet_core::testkit::{self, Bench, FakeRoot, assert_lines};
use alumet_plugin_hwmon_power::{Config, HwmonPowerPlugin};
use alumet_shared_sensor_source::Claim;

/// A file that the kernel refuses even to root, for it can only be written.
const REFUSED: &str = "/sys/bus/platform/drivers_probe";

/// A laptop: a graphics card, a shunt, a battery, and one in a mouse.
fn laptop() -> FakeRoot {
    let root = FakeRoot::new();
    root.write("sys/class/hwmon/hwmon0/name", "amdgpu\n")
        .link("sys/class/hwmon/hwmon0/device", "../../../0000:03:00.0")
        .write("sys/class/hwmon/hwmon0/power1_average", "12000000\n")
        .write("sys/class/hwmon/hwmon0/power1_input", "99000000\n")
        .write("sys/class/hwmon/hwmon0/power1_cap_max", "50000000\n")
        .write("sys/class/hwmon/hwmon0/power1_label", "PPT\n")
        .write("sys/class/hwmon/hwmon0/temp1_input", "40000\n")
        .write("sys/class/hwmon/hwmon2/name", "i915\n")
        .write("sys/class/hwmon/hwmon2/energy1_input", "7000000\n")
        .write("sys/class/power_supply/AC/type", "Mains\n")
        .write("sys/class/power_supply/BAT0/type", "Battery\n")
        .write("sys/class/power_supply/BAT0/status", "Discharging\n")
        .write("sys/class/power_supply/BAT0/power_now", "5002000\n")
        .write("sys/class/power_supply/hidpp_battery_0/type", "Battery\n")
        .write("sys/class/power_supply/hidpp_battery_0/scope", "Device\n");
    root
}

fn start(root: &FakeRoot) -> Bench {
    Bench::start::<HwmonPowerPlugin>(Config::default(), root.path()).unwrap()
}

/// The samples of a poll one second later, without what is the same on all.
fn next(bench: &mut Bench) -> Vec<String> {
    bench.advance(Duration::from_secs(1));
    let samples = bench.poll("hwmon-power").unwrap();
    let texts = samples.iter().map(RecordedSample::to_string);
    texts
        .map(|text| text.replace(" local_machine local_machine", ""))
        .collect()
}

const GPU: &str = "hwmon_power {chip=amdgpu, label=PPT, sensor=0000:03:00.0/power1}";

#[test]
fn sensors_and_batteries_are_told_with_their_names() {
    let root = laptop();
    let mut bench = start(&root);
    next(&mut bench);
    root.write("sys/class/hwmon/hwmon2/energy1_input", "9500000\n");
    assert_lines(
        next(&mut bench),
        [
            &format!("{GPU} = 12"),
            "battery_power {battery=BAT0} = 5.002",
            "hwmon_energy {chip=i915, sensor=hwmon2/energy1} = 2.5",
        ],
    );
}

#[test]
fn a_battery_is_told_of_only_while_it_discharges_by_power_or_by_current() {
    let root = laptop();
    let mut bench = start(&root);
    let battery = |lines: Vec<String>| lines.into_iter().find(|line| line.contains("BAT0"));
    root.write("sys/class/power_supply/BAT0/status", "Charging\n");
    assert_eq!(battery(next(&mut bench)), None);
    root.write("sys/class/power_supply/BAT0/status", "Discharging\n")
        .remove("sys/class/power_supply/BAT0/power_now")
        .write("sys/class/power_supply/BAT0/current_now", "-2000000\n")
        .write("sys/class/power_supply/BAT0/voltage_now", "11500000\n");
    assert_eq!(
        battery(next(&mut start(&root))).unwrap(),
        "battery_power {battery=BAT0} = 23"
    );
}

#[test]
fn what_cannot_be_is_counted_and_never_emitted() {
    let root = laptop();
    let mut bench = start(&root);
    next(&mut bench);
    for nonsense in [
        "4294967295",
        "2147483647",
        "-1",
        "nan",
        "200000001",
        "18446744073709551615",
    ] {
        root.write("sys/class/hwmon/hwmon0/power1_average", format!("{nonsense}\n"));
        let lines = next(&mut bench);
        assert!(
            !lines.iter().any(|line| line.contains("PPT")),
            "{nonsense}: {lines:?}"
        );
        assert!(
            lines.contains(&"hwmon_refused_values {reason=excess} = 1".to_owned()),
            "{nonsense}: {lines:?}"
        );
    }
    root.write("sys/class/hwmon/hwmon0/power1_average", "200000000\n");
    assert!(next(&mut bench).contains(&format!("{GPU} = 200")));

    root.write("sys/class/hwmon/hwmon2/energy1_input", "1000\n");
    assert!(next(&mut bench).contains(&"hwmon_refused_values {reason=reset} = 1".to_owned()));
    root.write("sys/class/hwmon/hwmon0/power1_average", "");
    assert!(next(&mut bench).contains(&"hwmon_refused_values {reason=unreadable} = 1".to_owned()));
}

#[test]
fn sensors_come_and_go_and_the_counters_that_stay_go_on() {
    let root = laptop();
    let mut bench = start(&root);
    next(&mut bench);
    root.write("sys/class/hwmon/hwmon3/name", "ina226\n")
        .write("sys/class/hwmon/hwmon3/power1_input", "1500000\n")
        .write("sys/class/hwmon/hwmon2/energy1_input", "8000000\n");
    for _ in 0..59 {
        next(&mut bench);
    }
    root.write("sys/class/hwmon/hwmon2/energy1_input", "8250000\n");
    let lines = next(&mut bench);
    assert!(
        lines.contains(&"hwmon_power {chip=ina226, sensor=hwmon3/power1} = 1.5".to_owned()),
        "{lines:?}"
    );
    assert!(
        lines.contains(&"hwmon_energy {chip=i915, sensor=hwmon2/energy1} = 0.25".to_owned()),
        "{lines:?}"
    );
    let before = bench.catalog().live_series();
    root.remove("sys/class/hwmon/hwmon3");
    for _ in 0..61 {
        next(&mut bench);
    }
    assert_eq!(bench.catalog().live_series(), before - 1);
}

fn findings(root: &FakeRoot) -> Vec<Finding> {
    testkit::findings::<HwmonPowerPlugin>(Config::default(), root.path())
}

#[test]
fn what_is_there_is_named_and_what_may_not_be_read_with_the_command() {
    let root = laptop();
    let found = findings(&root);
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].detail,
        "power of amdgpu (PPT), energy of i915, battery BAT0"
    );

    root.remove("sys/class/hwmon/hwmon2/energy1_input");
    root.link("sys/class/hwmon/hwmon2/energy1_input", REFUSED);
    let found = findings(&root);
    assert_eq!(found[1].verdict, Verdict::Limited);
    assert!(found[1].remedy.as_ref().unwrap().contains("hwmon2/energy1_input"));

    let nothing = FakeRoot::new();
    assert_eq!(findings(&nothing)[0].verdict, Verdict::Absent);
    assert!(start(&nothing).sources().is_empty());
}

#[test]
fn what_another_plugin_measures_is_left_to_it_while_it_runs() {
    let root = laptop();
    let mut bench = start(&root);
    let claim = Claim::new("amd-gpu", bench.services());
    claim.set([root.path().join("sys/class/hwmon/hwmon0")]);
    let is_ours = |lines: &[String]| lines.iter().any(|line| line.contains("chip=amdgpu"));
    let lines = next(&mut bench);
    assert!(!is_ours(&lines), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("chip=i915")), "{lines:?}");
    drop(claim);
    for _ in 0..60 {
        next(&mut bench);
    }
    assert!(is_ours(&next(&mut bench)));
}
