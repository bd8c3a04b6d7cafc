//! The contract that every plugin fulfils.

use alumet_core::testkit::Contract;
use alumet_plugin_prometheus_exporter::{Config, PrometheusExporterPlugin};
use alumet_shared_output_testkit::free_port;

#[test]
fn the_plugin_fulfils_the_contract() {
    let config = Config {
        host: "127.0.0.1".to_owned(),
        port: free_port(),
        ..Config::default()
    };
    Contract::<PrometheusExporterPlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .with(config)
        .check();
}
