//! The contract that every plugin keeps.

use alumet_core::testkit::Contract;
use alumet_plugin_csv::{Config, CsvPlugin};

#[test]
fn the_plugin_keeps_its_contract() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        output_path: folder.path().join("contract.csv"),
        ..Config::default()
    };
    Contract::<CsvPlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .with(config)
        .check();
}
