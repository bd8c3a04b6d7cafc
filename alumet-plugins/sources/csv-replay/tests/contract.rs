//! The contract that every plugin fulfils.

use alumet_core::testkit::{Contract, FakeRoot};
use alumet_plugin_csv_replay::{Config, CsvReplayPlugin};

#[test]
fn the_plugin_fulfils_the_contract() {
    let root = FakeRoot::new();
    root.write("a.csv", "gpu_id,power\n1,70\n");
    Contract::<CsvReplayPlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .with(Config {
            path: root.at("a.csv"),
            // What a file measures is in no table of metrics, so that nothing of it is due in this test.
            rate: 0.001,
            ..Config::default()
        })
        .check();
}
