//! What the source makes of the file that it finds (example of new-plugin).

use alumet_core::testkit::{Bench, FakeRoot, assert_lines};
use alumet_plugin_intel_gpu::{Config, IntelGpuPlugin};

#[test]
fn a_poll_pushes_the_number_of_that_moment() {
    let root = FakeRoot::new();
    root.write("proc/sys/fs/inode-nr", "55043\t14322\n");
    let mut bench = Bench::start::<IntelGpuPlugin>(Config::default(), root.path()).unwrap();
    bench.poll("intel-gpu").unwrap();
    root.write("proc/sys/fs/inode-nr", "55044\t14322\n");
    assert_lines(
        bench.poll("intel-gpu").unwrap(),
        ["intel_gpu local_machine local_machine {} = 55044"],
    );
}

#[test]
fn a_machine_without_the_file_says_which_is_missing() {
    let error = Bench::start::<IntelGpuPlugin>(Config::default(), FakeRoot::new().path()).err();
    let message = error.map(|error| error.to_string()).unwrap_or_default();
    assert!(message.contains("inode-nr"), "{message}");
}
