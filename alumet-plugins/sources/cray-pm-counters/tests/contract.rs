//! The suite that every plugin passes.

use alumet_core::testkit::{Contract, FakeRoot};
use alumet_plugin_cray_pm_counters::CrayPmCountersPlugin;

#[test]
fn the_plugin_keeps_its_contract() {
    let root = FakeRoot::new();
    root.write("sys/cray/pm_counters/freshness", "1\n")
        .write("sys/cray/pm_counters/energy", "1000 J 1591394934123456 us\n")
        .write("sys/cray/pm_counters/power", "300 W 1591394934123456 us\n");
    Contract::<CrayPmCountersPlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .on(root.path())
        .check();
}
