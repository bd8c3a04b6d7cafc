//! Virtual machines as their control groups and the files of libvirt show them.

#![expect(clippy::unwrap_used, reason = "helpers fail the test like the test itself")]

use std::time::Duration;

use alumet_core::output::RecordedSample;
use alumet_core::plugin::{Finding, Host, Plugin, StartContext, Verdict};
use alumet_core::testkit::{Bench, FakeRoot, ManualClock};
use alumet_core::value::Value;
use alumet_plugin_libvirt::{Config, LibvirtPlugin};
use alumet_shared_cgroup_source::testkit::{annotated, cpu_time, named};

const VM: &str = r"/machine.slice/machine-qemu\x2d7\x2dweb.scope";

fn machine() -> FakeRoot {
    let root = FakeRoot::new();
    root.write("proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
    group(&root, "/machine.slice", 0);
    root
}

fn group(root: &FakeRoot, path: &str, micros: u64) {
    let text = format!("usage_usec {micros}\nuser_usec {micros}\nsystem_usec 0\n");
    root.write(format!("sys/fs/cgroup{path}/cpu.stat"), text);
}

fn status(root: &FakeRoot, file: &str, number: u32, name: &str, metadata: &str) {
    let text = format!(
        "<domstatus state='running'>\n<domain type='kvm' id='{number}'>\n<name>{name}</name>\n<uuid>uuid-of-{name}</uuid>\n\
         {metadata}</domain>\n</domstatus>\n"
    );
    root.write(format!("run/libvirt/{file}.xml"), text);
}

fn bench(root: &FakeRoot) -> Bench {
    bench_with("", root)
}

fn bench_with(config: &str, root: &FakeRoot) -> Bench {
    let config: Config = toml::from_str(&format!("hierarchy = 'v2'\n{config}")).unwrap();
    Bench::start::<LibvirtPlugin>(config, root.path()).unwrap()
}

/// What the samples of CPU time of a group say of it.
fn said(samples: &[RecordedSample], path: &str) -> Option<String> {
    named(samples).remove(path)
}

fn unresolved(samples: &[RecordedSample]) -> Option<Value> {
    let mut of_metric = samples
        .iter()
        .filter(|sample| sample.series.metric.name == "cgroup_unresolved");
    Some(of_metric.next()?.value)
}

#[test]
fn a_machine_has_name_uuid_and_openstack_project_from_its_first_sample_and_its_parts_are_not_counted_again() {
    let root = machine();
    let metadata = "<metadata><nova:instance xmlns:nova='x'><nova:name>front</nova:name><nova:owner>\
                    <nova:project uuid='51'>shop</nova:project></nova:owner></nova:instance></metadata>\n";
    status(&root, "qemu/web", 7, "web", metadata);
    let mut bench = bench(&root);
    bench.poll("libvirt").unwrap();
    for path in [
        VM.to_owned(),
        format!("{VM}/libvirt"),
        format!("{VM}/libvirt/vcpu0"),
    ] {
        group(&root, &path, 5);
    }
    let samples = bench.poll("libvirt-discovery").unwrap();
    let expected = "domain=web domain_uuid=uuid-of-web driver=qemu instance=front project=shop project_id=51";
    assert_eq!(said(&samples, VM).as_deref(), Some(expected));
    assert_eq!(cpu_time(&samples, "total", |_| true), 5000);
}

#[test]
fn a_name_that_is_only_a_part_in_the_group_is_found_by_the_number() {
    let root = machine();
    status(&root, "qemu/my web!", 7, "my web!", "");
    // Of the same name as the group, and another machine.
    status(&root, "qemu/myweb", 8, "myweb", "");
    let path = r"/machine.slice/machine-qemu\x2d7\x2dmyweb.scope";
    group(&root, path, 5);
    let samples = bench(&root).poll("libvirt").unwrap();
    let expected = "domain=my web! domain_uuid=uuid-of-my web! driver=qemu";
    assert_eq!(said(&samples, path).as_deref(), Some(expected));
}

#[test]
fn a_definition_on_disk_will_do_where_nothing_is_known_of_the_machine_that_runs() {
    let root = machine();
    root.write(
        "etc/libvirt/qemu/vm.xml",
        "<domain type='kvm'>\n<name>vm</name><uuid>u</uuid></domain>",
    );
    for path in ["/machine/qemu-1-vm.libvirt-qemu", "/libvirt/qemu/vm"] {
        group(&root, path, 5);
        let samples = bench(&root).poll("libvirt").unwrap();
        assert_eq!(
            said(&samples, path).as_deref(),
            Some("domain=vm domain_uuid=u driver=qemu")
        );
    }
}

#[test]
fn a_file_that_comes_late_is_found_and_one_that_never_comes_is_not_looked_for_for_ever() {
    let root = machine();
    let (late, never) = (VM, r"/machine.slice/machine-lxc\x2d9\x2dbox.scope");
    group(&root, late, 5);
    group(&root, never, 5);
    let mut bench = bench(&root);
    let samples = bench.poll("libvirt").unwrap();
    assert_eq!(said(&samples, late).as_deref(), Some("domain=web driver=qemu"));
    assert_eq!(unresolved(&samples), Some(Value::U64(2)));
    status(&root, "qemu/web", 7, "web", "");
    // Not at each poll.
    assert_eq!(unresolved(&bench.poll("libvirt").unwrap()), Some(Value::U64(2)));
    bench.advance(Duration::from_secs(1));
    let samples = bench.poll("libvirt").unwrap();
    assert_eq!(
        said(&samples, late).as_deref(),
        Some("domain=web domain_uuid=uuid-of-web driver=qemu")
    );
    assert_eq!(unresolved(&samples), Some(Value::U64(1)));
    bench.advance(Duration::from_secs(9));
    let samples = bench.poll("libvirt").unwrap();
    assert_eq!(unresolved(&samples), Some(Value::U64(0)));
    status(&root, "lxc/box", 9, "box", "");
    bench.advance(Duration::from_secs(9));
    let samples = bench.poll("libvirt").unwrap();
    assert_eq!(said(&samples, never).as_deref(), Some("domain=box driver=lxc"));
}

#[test]
fn a_name_does_not_lead_out_of_the_folder_of_libvirt() {
    let root = machine();
    root.write(
        "run/secret.xml",
        "<domain><name>x</name><uuid>secret</uuid></domain>",
    );
    root.write(
        "run/libvirt/qemu/other.xml",
        "<domain id='1'><name>x</name><uuid>other</uuid></domain>",
    );
    let path = r"/machine.slice/machine-qemu\x2d2\x2d..\x2f..\x2fsecret.scope";
    group(&root, path, 5);
    let samples = bench(&root).poll("libvirt").unwrap();
    assert_eq!(
        said(&samples, path).as_deref(),
        Some("domain=../../secret driver=qemu")
    );
}

#[test]
fn samples_of_others_get_the_name_of_the_machine_even_when_nothing_is_measured() {
    let root = machine();
    status(&root, "qemu/web", 7, "web", "");
    group(&root, VM, 5);
    for more in ["", "disable_sources = true"] {
        let mut bench = bench_with(&format!("annotate_foreign_measurements = true\n{more}"), &root);
        let own = bench.poll("libvirt").unwrap();
        assert_eq!(own.is_empty(), !more.is_empty());
        let expected = "{domain=web, domain_uuid=uuid-of-web, driver=qemu}";
        assert_eq!(annotated(&mut bench, &format!("{VM}/libvirt")), expected);
    }
    let idle = bench_with("disable_sources = true", &root);
    assert_eq!(idle.sources(), Vec::<&str>::new());
}

#[test]
fn doctor_learns_whether_there_are_files_of_libvirt() {
    let note = |root: &FakeRoot| -> Finding {
        let host = Host::trial(std::sync::Arc::new(ManualClock::new()), root.path());
        let mut context = StartContext::new(&host);
        LibvirtPlugin::start(Config::default(), &mut context).unwrap();
        let mut all = context.findings().iter();
        all.rfind(|note| note.subject == "files of libvirt")
            .cloned()
            .unwrap()
    };
    let root = machine();
    assert_eq!(note(&root).verdict, Verdict::Absent);
    status(&root, "qemu/web", 7, "web", "");
    let works = note(&root);
    assert_eq!(works.verdict, Verdict::Works);
    assert!(works.detail.contains("1 machines"), "{}", works.detail);
}
