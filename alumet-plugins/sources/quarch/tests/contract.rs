//! The suite that every plugin passes.

use alumet_core::testkit::Contract;
use alumet_plugin_quarch::QuarchPlugin;

#[test]
fn the_plugin_keeps_its_contract() {
    Contract::<QuarchPlugin>::of_crate(env!("CARGO_MANIFEST_DIR")).check();
}
