//! The contract that every plugin keeps.

use alumet_core::testkit::Contract;
use alumet_plugin_socket_control::{Config, SocketControlPlugin};

#[test]
fn the_plugin_keeps_its_contract() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        socket_path: folder.path().join("contract.sock"),
        ..Config::default()
    };
    Contract::<SocketControlPlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .with(config)
        .check();
}
