//! The contract that every plugin fulfils.

use alumet_core::testkit::Contract;
use alumet_plugin_store::{Config, StorePlugin};

#[test]
fn the_plugin_fulfils_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        path: folder.path().join("store.db"),
        ..Config::default()
    };
    Contract::<StorePlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .with(config)
        .check();
}
