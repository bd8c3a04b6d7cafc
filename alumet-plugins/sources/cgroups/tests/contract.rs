//! The suite that every plugin passes.

use alumet_core::testkit::Contract;
use alumet_plugin_cgroups::{CgroupsPlugin, Config};
use alumet_shared_cgroup_source::testkit::EVERYTHING;

#[test]
fn the_plugin_keeps_its_contract() {
    Contract::<CgroupsPlugin>::of_crate(env!("CARGO_MANIFEST_DIR")).check();
}

#[test]
fn the_plugin_keeps_its_contract_when_it_measures_everything_of_the_unified_hierarchy() {
    let config: Config = toml::from_str(EVERYTHING).unwrap();
    Contract::<CgroupsPlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .with(config)
        .check();
}
