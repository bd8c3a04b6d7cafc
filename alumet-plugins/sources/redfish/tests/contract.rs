//! The suite that every plugin passes.

use alumet_core::testkit::Contract;
use alumet_plugin_redfish::RedfishPlugin;

#[test]
fn the_plugin_keeps_its_contract() {
    Contract::<RedfishPlugin>::of_crate(env!("CARGO_MANIFEST_DIR")).check();
}
