//! What the source makes of the power monitors of boards.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::time::Duration;

use alumet_core::output::RecordedSample;
use alumet_core::plugin::{Finding, Verdict};
use alumet_core::testkit::{self, Bench, FakeRoot, assert_lines};
use alumet_plugin_jetson::{Config, JetsonPlugin};

/// A file that the kernel refuses even to root, for it can only be written.
const REFUSED: &str = "/sys/bus/platform/drivers_probe";

fn start(root: &FakeRoot) -> Bench {
    Bench::start::<JetsonPlugin>(Config::default(), root.path()).unwrap()
}

fn findings(root: &FakeRoot) -> Vec<Finding> {
    testkit::findings::<JetsonPlugin>(Config::default(), root.path())
}

/// The samples of a poll one second later, without zeros of refusals and what is the same on all.
fn next(bench: &mut Bench) -> Vec<String> {
    bench.advance(Duration::from_secs(1));
    let samples = bench.poll("jetson").unwrap();
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

/// A Jetson Orin Nano with JetPack 6: files and labels as in `Documentation/hwmon/ina3221.rst` and the Jetson Linux Developer
/// Guide; the numbers are made up.
fn orin() -> FakeRoot {
    let root = FakeRoot::new();
    let rails = [
        (1, "VDD_IN", 5000, 1200),
        (2, "VDD_CPU_GPU_CV", 5000, 300),
        (3, "VDD_SOC", 5000, 250),
    ];
    for (channel, label, millivolts, milliamperes) in rails {
        write(&root, &format!("in{channel}_label"), label);
        write(&root, &format!("in{channel}_input"), millivolts);
        write(&root, &format!("in{channel}_enable"), 1);
        write(&root, &format!("curr{channel}_input"), milliamperes);
        write(&root, &format!("curr{channel}_max"), 32_760);
    }
    write(&root, "in4_input", 4);
    write(&root, "in7_label", "sum of shunt voltages");
    write(&root, "in7_input", 9);
    root
}

const CHIP: &str = "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3";

fn write(root: &FakeRoot, file: &str, value: impl std::fmt::Display) {
    root.write(format!("{CHIP}/{file}"), format!("{value}\n"));
}

fn rail(metric: &str, (bus, address, channel, label): (u32, u32, u32, &str), value: f64) -> String {
    format!(
        "{metric} {{ina_channel_id={channel}, ina_channel_label={label}, ina_device_number={bus}, \
         ina_i2c_address={address}}} = {value}"
    )
}

#[test]
fn power_and_energy_of_a_new_board_follow_from_current_and_voltage() {
    let root = orin();
    let mut bench = start(&root);
    next(&mut bench);
    write(&root, "curr1_input", 1400);
    let lines = next(&mut bench);
    assert_eq!(lines.len(), 12);
    let input = (1, 64, 1, "VDD_IN");
    assert_lines(
        &lines[..4],
        [
            rail("input_current", input, 1400.0),
            rail("input_voltage", input, 5000.0),
            rail("input_power", input, 7000.0),
            rail("input_energy", input, 6500.0),
        ],
    );
}

/// A Jetson Nano with JetPack 4, and the link that some versions have beside the folder.
#[test]
fn power_of_an_old_board_is_what_its_driver_shows() {
    let root = FakeRoot::new();
    let chip = "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0";
    for (file, text) in [
        ("rail_name_0", "POM_5V_IN"),
        ("in_current0_input", "420"),
        ("in_voltage0_input", "5000"),
        ("in_power0_input", "2083"),
        ("rail_name_1", "NC"),
        ("in_current1_input", "0"),
        ("in_voltage1_input", "0"),
        ("in_power1_input", "0"),
    ] {
        root.write(format!("{chip}/{file}"), format!("{text}\n"));
    }
    root.link("sys/bus/i2c/drivers/ina3221x/6-0040/iio_device", "iio:device0");
    let input = (6, 64, 0, "POM_5V_IN");
    assert_lines(
        next(&mut start(&root)),
        [
            rail("input_current", input, 420.0),
            rail("input_voltage", input, 5000.0),
            rail("input_power", input, 2083.0),
            rail("input_energy", input, 0.0),
        ],
    );
}

#[test]
fn a_rail_that_is_switched_off_is_left_out_and_one_that_fails_disturbs_no_other() {
    let root = orin();
    write(&root, "in3_enable", 0);
    assert_eq!(findings(&root)[0].detail, "VDD_IN, VDD_CPU_GPU_CV");
    let current = format!("{CHIP}/curr2_input");
    root.remove(&current).link(&current, REFUSED);
    assert_eq!(findings(&root)[1].verdict, Verdict::Limited);
    let mut bench = start(&root);
    let lines = next(&mut bench);
    assert!(
        lines.contains(&rail("input_voltage", (1, 64, 2, "VDD_CPU_GPU_CV"), 5000.0)),
        "{lines:?}"
    );
    assert!(
        !lines
            .iter()
            .any(|line| line.starts_with("input_power") && line.contains("CPU")),
        "{lines:?}"
    );
    assert!(
        lines.contains(&rail("input_power", (1, 64, 1, "VDD_IN"), 6000.0)),
        "{lines:?}"
    );
}
