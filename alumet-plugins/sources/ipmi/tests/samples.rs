//! What the source makes of a management controller.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::path::Path;
use std::process::Command;

use alumet_core::failure::Remedy;
use alumet_core::plugin::{Finding, Verdict};
use alumet_core::testkit::{self, Bench, FakeRoot, assert_lines};
use alumet_plugin_ipmi::{Config, IpmiPlugin};

fn start(root: &FakeRoot) -> Bench {
    Bench::start::<IpmiPlugin>(Config::default(), root.path()).unwrap()
}

fn finding(root: &FakeRoot) -> Finding {
    testkit::findings::<IpmiPlugin>(Config::default(), root.path())[0].clone()
}

#[test]
fn a_machine_without_a_controller_is_no_fault() {
    let root = FakeRoot::new();
    let found = finding(&root);
    assert_eq!(found.verdict, Verdict::Absent);
    assert!(found.detail.contains("modprobe"), "{found:?}");
    assert!(start(&root).sources().is_empty());
}

#[test]
fn what_is_no_device_of_a_controller_is_told() {
    let root = FakeRoot::new();
    root.write("dev/ipmi0", "");
    let found = finding(&root);
    assert_eq!(found.verdict, Verdict::Broken);
    assert!(
        found
            .detail
            .contains("dev/ipmi0` cannot be used as an IPMI device"),
        "{found:?}"
    );
    let failure = start(&root).poll("ipmi").unwrap_err();
    assert_eq!(failure.remedy(), Remedy::Restart);

    root.remove("dev/ipmi0");
    root.link("dev/ipmi0", "/sys/bus/platform/drivers_probe");
    let found = finding(&root);
    assert!(found.detail.contains("may not be opened"), "{found:?}");
    assert!(found.remedy.unwrap().contains("root"));
}

/// The variable that names the file with the orders of the controller of the test.
const ORDERS: &str = "FAKE_IPMI";

#[test]
fn a_controller_with_the_structures_of_the_kernel_is_asked_and_understood() {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("fake_ipmi.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake_ipmi.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-Wall", "-Werror", "-o"]);
    let compiled = compiler.arg(&library).arg(source).status().unwrap();
    assert!(compiled.success());
    let tests = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "with_a_controller_of_the_test"])
        .env("LD_PRELOAD", &library)
        .env(ORDERS, folder.path().join("orders"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&tests.stdout);
    assert!(tests.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "it is run by another test, which loads the controller"]
fn with_a_controller_of_the_test() {
    let root = FakeRoot::new();
    root.write("dev/ipmi0", "");
    let order = |text: &str| std::fs::write(std::env::var(ORDERS).unwrap(), text).unwrap();
    let mut bench = start(&root);

    order("watts 312");
    assert_lines(
        bench.poll("ipmi").unwrap(),
        ["ipmi_power local_machine local_machine {} = 312"],
    );
    assert!(finding(&root).detail.starts_with("312 W; "));
    order("watts 65535");
    assert_lines(
        bench.poll("ipmi").unwrap(),
        ["ipmi_power local_machine local_machine {} = 65535"],
    );
    // An event, then an answer to an older question, which says 99.
    order("late");
    assert_lines(
        bench.poll("ipmi").unwrap(),
        ["ipmi_power local_machine local_machine {} = 42"],
    );

    for (orders, remedy, words) in [
        ("watts 0", Remedy::Restart, "measures no power"),
        ("silent", Remedy::Restart, "does not answer"),
        ("code 195", Remedy::Restart, "completion code C3h"),
        ("code 193", Remedy::End, "does not know"),
    ] {
        order(orders);
        let failure = bench.poll("ipmi").unwrap_err();
        assert_eq!(failure.remedy(), remedy, "{orders}");
        assert!(failure.to_string().contains(words), "{failure}");
    }
    assert_eq!(finding(&root).verdict, Verdict::Absent);
    order("watts 5");
    assert!(bench.poll("ipmi").is_ok());
}
