//! The contract that every plugin fulfils.

use alumet_core::testkit::Contract;
use alumet_plugin_nats::{Config, NatsPlugin};
use alumet_shared_http_delivery::testkit::TestServer;

#[test]
fn the_plugin_fulfils_the_contract() {
    let server = TestServer::answering(|_| ("204 No Content", String::new())).unwrap();
    let config = Config {
        url: server.url(),
        ..Config::default()
    };
    Contract::<NatsPlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .with(config)
        .check();
}
