//! The suite that every plugin passes.

use alumet_core::testkit::{Contract, FakeRoot};
use alumet_plugin_grace_hopper::GraceHopperPlugin;

#[test]
fn the_plugin_keeps_its_contract() {
    let root = FakeRoot::new();
    root.write(
        "sys/class/hwmon/hwmon1/device/power1_oem_info",
        "Grace Power Socket 0\n",
    )
    .write("sys/class/hwmon/hwmon1/device/power1_average", "90000000\n");
    Contract::<GraceHopperPlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .on(root.path())
        .check();
}
