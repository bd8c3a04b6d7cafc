//! The contract that every plugin fulfils.

use alumet_core::testkit::Contract;
use alumet_plugin_cray_pm_counters::CrayPmCountersPlugin;

#[test]
fn the_plugin_fulfils_the_contract() {
    Contract::<CrayPmCountersPlugin>::of_crate(env!("CARGO_MANIFEST_DIR")).check();
}
