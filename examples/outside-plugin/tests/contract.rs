//! The contract that every plugin fulfils.

use alumet_core::testkit::Contract;
use outside_plugin::{Config, LoadWatchPlugin};

#[test]
fn the_plugin_fulfils_the_contract() {
    Contract::<LoadWatchPlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .with(Config::default())
        .check();
}
