//! The suite that every plugin passes.

use alumet_core::testkit::Contract;
use alumet_plugin_kwollect_input::{Config, KwollectInputPlugin};
use alumet_shared_http_delivery::testkit::{TestServer, local};

#[test]
fn the_plugin_keeps_its_contract() {
    let server = TestServer::answering(|_| ("200 OK", "[]".to_owned())).unwrap();
    Contract::<KwollectInputPlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .with(Config {
            url: server.url(),
            http: local(),
            ..Config::default()
        })
        .check();
}
