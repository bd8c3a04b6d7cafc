//! Starts without a free descriptor; alone in their program, whose limit they lower.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests, too")]

use std::path::Path;

use alumet_core::testkit::{Bench, FakeRoot};
use alumet_plugin_procfs::{Config, ProcfsPlugin};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use parking_lot::Mutex;

/// The limit belongs to the whole program.
static LIMIT: Mutex<()> = Mutex::new(());

/// Starts the plugin and polls each source once, all without a descriptor.
fn start_without_descriptor(config: &str, root: &Path, sources: &[&str]) -> Bench {
    let config: Config = toml::from_str(config).unwrap();
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 3, hard).unwrap();
    let started = Bench::start_in_real_time::<ProcfsPlugin>(config, root);
    let polled = started.map(|mut bench| {
        let refused: Vec<_> = sources.iter().map(|source| bench.poll(source).is_err()).collect();
        (bench, refused)
    });
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    let (bench, refused) = polled.unwrap();
    assert!(
        refused.iter().all(|refused| *refused),
        "a descriptor was left: {refused:?}"
    );
    bench
}

#[test]
fn processes_are_measured_once_there_is_a_descriptor_for_their_list() {
    let _alone = LIMIT.lock();
    let config = format!("processes.groups = [{{ pid = {} }}]", std::process::id());
    let mut bench = start_without_descriptor(&config, Path::new("/"), &["processes"]);
    let kinds = bench.poll("processes").unwrap().len();
    assert!(kinds > 3, "{kinds} samples");
}

#[test]
fn every_table_is_measured_once_there_is_a_descriptor_for_its_file() {
    let _alone = LIMIT.lock();
    let root = FakeRoot::copy_of(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/server"));
    let tables = [
        "kernel",
        "memory",
        "network",
        "disks",
        "load",
        "pressure",
        "cpu-frequency",
        "temperatures",
    ];
    let mut bench = start_without_descriptor("processes.enabled = false", root.path(), &tables);
    for table in tables {
        assert!(!bench.poll(table).unwrap().is_empty(), "{table}");
    }
}
