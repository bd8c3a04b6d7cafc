//! The contract that every plugin fulfils.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod answering;

use alumet_core::testkit::Contract;
use alumet_plugin_mongodb::{Config, MongodbPlugin};
use mongodb::bson::Document;

#[test]
fn the_plugin_fulfils_the_contract() {
    let config = Config {
        host: "127.0.0.1".to_owned(),
        port: answering::answering(|_| Document::new()),
        ..Config::default()
    };
    Contract::<MongodbPlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .with(config)
        .check();
}
