//! The suite that every plugin passes.

use alumet_core::testkit::{Contract, FakeRoot};
use alumet_plugin_jetson::JetsonPlugin;

#[test]
fn the_plugin_keeps_its_contract() {
    let root = FakeRoot::new();
    let chip = "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3";
    root.write(format!("{chip}/in1_label"), "VDD_IN\n")
        .write(format!("{chip}/in1_input"), "5000\n")
        .write(format!("{chip}/curr1_input"), "1000\n");
    Contract::<JetsonPlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .on(root.path())
        .check();
}
