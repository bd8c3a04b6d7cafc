//! The contract that every plugin fulfils.

use alumet_core::duration::HumanDuration;
use alumet_core::testkit::Contract;
use alumet_plugin_mongodb::{Config, MongodbPlugin};

#[test]
fn the_plugin_fulfils_the_contract() {
    let config = Config {
        connect_timeout: HumanDuration::from_millis(100),
        ..Config::default()
    };
    Contract::<MongodbPlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .with(config)
        .check();
}
