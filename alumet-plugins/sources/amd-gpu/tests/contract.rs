//! The contract that every plugin fulfils.

use alumet_core::testkit::Contract;
use alumet_plugin_amd_gpu::AmdGpuPlugin;

#[test]
fn the_plugin_fulfils_the_contract() {
    Contract::<AmdGpuPlugin>::of_crate(env!("CARGO_MANIFEST_DIR")).check();
}
