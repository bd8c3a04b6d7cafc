//! The contract that every plugin fulfils.

use alumet_core::testkit::Contract;
use alumet_plugin_perf::PerfPlugin;

#[test]
fn the_plugin_fulfils_the_contract() {
    Contract::<PerfPlugin>::of_crate(env!("CARGO_MANIFEST_DIR")).check();
}
