//! The contract that every plugin keeps.

use alumet_core::testkit::Contract;
use alumet_plugin_relay_server::{Config, RelayServerPlugin};

#[test]
fn the_plugin_keeps_its_contract() {
    let config = Config {
        address: "127.0.0.1:0".to_owned(),
        ..Config::default()
    };
    Contract::<RelayServerPlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .with(config)
        .check();
}
