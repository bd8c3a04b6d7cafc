//! The contract that every plugin fulfils.

use alumet_core::testkit::Contract;
use alumet_plugin_nats::NatsPlugin;

#[test]
fn the_plugin_fulfils_the_contract() {
    Contract::<NatsPlugin>::of_crate(env!("CARGO_MANIFEST_DIR")).check();
}
