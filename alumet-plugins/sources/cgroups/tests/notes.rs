//! What the plugin notes about a machine while it starts.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests, too")]

use std::sync::Arc;

use alumet_core::plugin::{Finding, Host, Plugin, StartContext, Verdict};
use alumet_core::testkit::{FakeRoot, ManualClock};
use alumet_plugin_cgroups::{CgroupsPlugin, Config};

fn notes(config: &str, root: &FakeRoot) -> Vec<Finding> {
    let host = Host::trial(Arc::new(ManualClock::new()), root.path());
    let mut context = StartContext::new(&host);
    let config: Config = toml::from_str(config).unwrap();
    CgroupsPlugin::start(config, &mut context).unwrap();
    context.findings().to_vec()
}

fn of<'a>(notes: &'a [Finding], subject: &str) -> &'a Finding {
    notes.iter().find(|note| note.subject == subject).unwrap()
}

#[test]
fn a_machine_without_a_hierarchy_gets_the_command_that_mounts_one() {
    let root = FakeRoot::new();
    root.write("proc/self/mounts", "proc /proc proc rw 0 0\n");
    let notes = notes("", &root);
    assert_eq!(notes[0].verdict, Verdict::Broken);
    assert!(notes[0].remedy.as_ref().unwrap().contains("mount -t cgroup2"));
}

#[test]
fn a_controller_that_is_not_enabled_gets_the_command_that_enables_it() {
    let root = FakeRoot::new();
    root.write("proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
    root.write("proc/sys/fs/inotify/max_user_watches", "1\n");
    root.write("sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n");
    root.write("sys/fs/cgroup/cgroup.subtree_control", "memory\n");
    root.write("sys/fs/cgroup/a/cpu.stat", "");
    let notes = notes("metrics.pids = 'on'\nmetrics.io = 'slow'", &root);
    assert_eq!(of(&notes, "controller memory").verdict, Verdict::Works);
    let remedy = of(&notes, "controller pids").remedy.as_ref().unwrap();
    assert!(remedy.starts_with("echo +pids > "), "{remedy}");
    assert_eq!(of(&notes, "controller io").verdict, Verdict::Limited);
    let watches = of(&notes, "inotify watches");
    assert_eq!(watches.verdict, Verdict::Limited);
    assert!(
        watches.detail.starts_with("2 control groups"),
        "{}",
        watches.detail
    );
    let files = of(&notes, "open files");
    assert!(files.detail.starts_with("18 files"), "{}", files.detail);
}

#[test]
fn a_hierarchy_of_version_1_that_is_not_visible_is_named() {
    let root = FakeRoot::new();
    let table =
        ["cpuacct", "memory"].map(|name| format!("cgroup /sys/fs/cgroup/{name} cgroup rw,{name} 0 0\n"));
    root.write("proc/self/mounts", table.concat());
    root.write("sys/fs/cgroup/memory/a/memory.usage_in_bytes", "5\n");
    let notes = notes("", &root);
    let cpuacct = of(&notes, "controller cpuacct");
    assert_eq!(cpuacct.verdict, Verdict::Limited);
    assert!(cpuacct.detail.contains("not visible"), "{}", cpuacct.detail);
    assert_eq!(of(&notes, "controller memory").verdict, Verdict::Works);
}
