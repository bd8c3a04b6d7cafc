//! The suite that every plugin passes.

use alumet_core::testkit::{Contract, FakeRoot};
use alumet_plugin_hwmon_power::HwmonPowerPlugin;

#[test]
fn the_plugin_keeps_its_contract() {
    let root = FakeRoot::new();
    root.write("sys/class/hwmon/hwmon0/power1_input", "5000000\n")
        .write("sys/class/hwmon/hwmon0/energy1_input", "1000000\n");
    Contract::<HwmonPowerPlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .on(root.path())
        .check();
}
