//! The suite that every plugin passes.

use alumet_core::testkit::Contract;
use alumet_plugin_slurm::{Config, SlurmPlugin};

#[test]
fn the_plugin_keeps_its_contract() {
    Contract::<SlurmPlugin>::of_crate(env!("CARGO_MANIFEST_DIR")).check();
}

#[test]
fn the_plugin_keeps_its_contract_when_it_measures_and_annotates_everything() {
    let config: Config = toml::from_str(
        "hierarchy = 'v2'
         ignore_non_jobs = false
         annotate_foreign_measurements = true
         jobs_monitoring_level = 'task'",
    )
    .unwrap();
    Contract::<SlurmPlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .with(config)
        .check();
}
