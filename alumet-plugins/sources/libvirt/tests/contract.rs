//! The suite that every plugin passes.

use alumet_core::testkit::Contract;
use alumet_plugin_libvirt::{Config, LibvirtPlugin};

#[test]
fn the_plugin_keeps_its_contract() {
    Contract::<LibvirtPlugin>::of_crate(env!("CARGO_MANIFEST_DIR")).check();
}

#[test]
fn the_plugin_keeps_its_contract_when_it_measures_everything_of_the_unified_hierarchy() {
    let config: Config = toml::from_str(
        "hierarchy = 'v2'
         annotate_foreign_measurements = true
         [metrics]
         pressure = 'on'
         io = 'slow'
         throttling = 'on'
         pids = 'on'
         memory_events = 'on'",
    )
    .unwrap();
    Contract::<LibvirtPlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .with(config)
        .check();
}
