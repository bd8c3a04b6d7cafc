//! The suite that every plugin passes.

use alumet_core::testkit::Contract;
use alumet_plugin_k8s::{Config, K8sPlugin};

#[test]
fn the_plugin_keeps_its_contract() {
    Contract::<K8sPlugin>::of_crate(env!("CARGO_MANIFEST_DIR")).check();
}

#[test]
fn the_plugin_keeps_its_contract_with_all_that_it_can_do() {
    let config: Config = toml::from_str(
        "names_from = 'kubelet'
         hierarchy = 'v2'
         annotate_containers = true
         annotate_foreign_measurements = true
         labels = ['app']
         owner = true
         qos_class = true
         legacy_metrics = true
         start_spread = '0s'",
    )
    .unwrap();
    Contract::<K8sPlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .with(config)
        .check();
}
