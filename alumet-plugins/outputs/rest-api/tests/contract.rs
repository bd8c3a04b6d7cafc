//! The contract that every plugin fulfils.

use std::net::Ipv4Addr;

use alumet_core::testkit::Contract;
use alumet_plugin_rest_api::{Config, RestApiPlugin};
use alumet_shared_output_testkit::free_port;

#[test]
fn the_plugin_fulfils_the_contract() {
    let config = Config {
        address: (Ipv4Addr::LOCALHOST, free_port()).into(),
        ..Config::default()
    };
    Contract::<RestApiPlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .with(config)
        .check();
}
