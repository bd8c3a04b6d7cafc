//! Control groups of this machine that are named as those of virtual machines.

use std::time::Duration;

use alumet_plugin_libvirt::LibvirtPlugin;
use alumet_reader_cgroupfs::testkit::OwnGroup;
use alumet_shared_cgroup_source::testkit::{
    be_busy_in, cpu_time_at, cpu_time_of, pipeline_of, wait_until_billed,
};

#[test]
fn machines_of_300_ms_are_billed_to_their_end_although_polls_are_5_s_apart() {
    let Some(parent) = OwnGroup::make("libvirt") else {
        return;
    };
    let config = toml::from_str("poll_interval = '5s'\nhierarchy = 'v2'").unwrap();
    let (pipeline, recording) = pipeline_of::<LibvirtPlugin>(config);
    std::thread::sleep(Duration::from_millis(100));
    for number in 0..5 {
        let name = format!(r"machine-qemu\x2d{number}\x2dvm.scope");
        let scope = parent.child(&name);
        let inner = scope.child("libvirt");
        let emulator = inner.child("emulator");
        be_busy_in(emulator.folder(), Duration::from_millis(300));
        std::thread::sleep(Duration::from_millis(30));
        let used = cpu_time_of(scope.folder());
        drop((emulator, inner, scope));
        let path = format!("{}/{name}", parent.path());
        let billed = |path: &str| cpu_time_at(&recording.samples(), path);
        wait_until_billed(&name, used, || billed(&path));
        for inner in ["libvirt", "libvirt/emulator"] {
            assert_eq!(billed(&format!("{path}/{inner}")), 0);
        }
    }
    assert!(pipeline.stop(Duration::from_secs(5)).is_complete());
}
