//! The contract that every plugin fulfils.

use alumet_core::testkit::Contract;
use alumet_plugin_process_to_cgroup_bridge::{Config, ProcessToCgroupBridgePlugin};

#[test]
fn the_plugin_fulfils_the_contract() {
    let config = Config {
        processes_metrics: vec!["*".into()],
        ..Config::default()
    };
    Contract::<ProcessToCgroupBridgePlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .with(config)
        .check();
}
