//! The suite that every plugin passes.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

#[path = "simulated/mod.rs"]
mod simulated;

use alumet_core::testkit::Contract;
use alumet_plugin_nvml::{Config, GpmMetric, NvmlPlugin};

use simulated::Driver;

#[test]
fn the_plugin_keeps_its_contract() {
    let mut driver = Driver::new();
    driver.set([
        ("0.field.3", "1"),
        ("0.field.138", "5"),
        ("0.compute", "4711:1024"),
        ("0.uses", "4711:5000000:10:5:0:0"),
        ("0.gpu_utilization", "10"),
        ("0.memory_utilization", "5"),
        ("0.total", "5000"),
        ("0.mig", "0"),
        ("0.gpm", "1"),
        ("0.gpm.2", "12"),
        ("0.xids", "63"),
    ]);
    let config = Config {
        gpm_metrics: vec![GpmMetric::SmUtil],
        dcgm_metrics: true,
        ..driver.config()
    };
    Contract::<NvmlPlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .with(config)
        .check();
}
