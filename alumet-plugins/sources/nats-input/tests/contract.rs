//! The contract that every plugin keeps.

use alumet_core::spool::SpoolSlot;
use alumet_core::testkit::Contract;
use alumet_plugin_nats_input::NatsInputPlugin;
use alumet_shared_spool::{DiskSpool, SpoolConfig};

#[test]
fn the_plugin_keeps_its_contract() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("spool.db");
    let spool = SpoolSlot::new(move |catalog| {
        let config = SpoolConfig {
            path: Some(path.clone()),
            ..SpoolConfig::default()
        };
        DiskSpool::open(config, catalog.clone())
    });
    Contract::<NatsInputPlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .spool(spool)
        .check();
}
