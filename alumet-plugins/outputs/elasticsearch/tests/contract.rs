//! The contract that every plugin fulfils.

use alumet_core::testkit::Contract;
use alumet_plugin_elasticsearch::{Config, ElasticsearchPlugin};
use alumet_shared_http_delivery::testkit::TestServer;

#[test]
fn the_plugin_fulfils_the_contract() {
    let server = TestServer::answering(|request| {
        let documents = request.body.iter().filter(|byte| **byte == b'\n').count() / 2;
        let items = vec![r#"{"create":{"status":201}}"#; documents].join(",");
        ("200 OK", format!(r#"{{"items":[{items}]}}"#))
    })
    .unwrap();
    let config = Config {
        server_url: server.url(),
        ..Config::default()
    };
    Contract::<ElasticsearchPlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .with(config)
        .check();
}
