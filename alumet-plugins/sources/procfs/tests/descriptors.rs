//! A start without a free descriptor; alone in its program, whose limit it lowers.

use alumet_core::testkit::Bench;
use alumet_plugin_procfs::{Config, ProcfsPlugin};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

#[test]
fn processes_are_measured_once_there_is_a_descriptor_for_their_list() {
    let config: Config = toml::from_str(&format!(
        "processes.groups = [{{ pid = {} }}]",
        std::process::id()
    ))
    .unwrap();
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 3, hard).unwrap();
    let started = Bench::start_in_real_time::<ProcfsPlugin>(config, "/");
    let refused = started.map(|mut bench| {
        let refused = bench.poll("processes").is_err();
        (bench, refused)
    });
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    let (mut bench, refused) = refused.unwrap();
    assert!(refused, "a descriptor was left");
    let kinds = bench.poll("processes").unwrap().len();
    assert!(kinds > 3, "{kinds} samples");
}
