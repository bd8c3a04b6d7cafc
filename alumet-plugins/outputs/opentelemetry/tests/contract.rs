//! The contract that every plugin fulfils.

use alumet_core::testkit::Contract;
use alumet_plugin_opentelemetry::{Config, OpentelemetryPlugin, Protocol};
use alumet_shared_http_delivery::testkit::TestServer;

#[test]
fn the_plugin_fulfils_the_contract() {
    let server = TestServer::answering(|_| ("200 OK", String::new())).unwrap();
    let config = Config {
        collector_host: server.url(),
        protocol: Protocol::Http,
        ..Config::default()
    };
    Contract::<OpentelemetryPlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .with(config)
        .check();
}
