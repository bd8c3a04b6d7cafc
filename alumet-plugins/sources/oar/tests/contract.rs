//! The suite that every plugin passes.

use alumet_core::testkit::Contract;
use alumet_plugin_oar::{Config, OarPlugin};

#[test]
fn the_plugin_keeps_its_contract() {
    Contract::<OarPlugin>::of_crate(env!("CARGO_MANIFEST_DIR")).check();
}

#[test]
fn the_plugin_keeps_its_contract_when_it_measures_and_annotates_everything() {
    let config: Config = toml::from_str(
        "hierarchy = 'v2'
         jobs_only = false
         annotate_foreign_measurements = true",
    )
    .unwrap();
    Contract::<OarPlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .with(config)
        .check();
}
