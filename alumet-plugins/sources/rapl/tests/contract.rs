//! The suite that every plugin passes.

use alumet_core::testkit::{Contract, FakeRoot};
use alumet_plugin_rapl::RaplPlugin;

#[test]
fn the_plugin_keeps_its_contract() {
    let root = FakeRoot::new();
    root.write("sys/class/powercap/intel-rapl:0/name", "package-0\n")
        .write(
            "sys/class/powercap/intel-rapl:0/max_energy_range_uj",
            "262143328850\n",
        )
        .write("sys/class/powercap/intel-rapl:0/energy_uj", "240422366267\n");
    Contract::<RaplPlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .on(root.path())
        .check();
}
