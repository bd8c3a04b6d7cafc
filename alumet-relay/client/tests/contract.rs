//! The contract that every plugin keeps.

use alumet_core::testkit::Contract;
use alumet_plugin_relay_client::RelayClientPlugin;

#[test]
fn the_plugin_keeps_its_contract() {
    Contract::<RelayClientPlugin>::of_crate(env!("CARGO_MANIFEST_DIR")).check();
}
