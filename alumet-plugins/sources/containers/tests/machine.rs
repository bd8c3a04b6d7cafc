//! Every layout through the whole plugin, and what others measure of a container.

#![expect(clippy::unwrap_used, reason = "helpers fail the test like the test itself")]

use std::sync::Arc;

use alumet_core::output::RecordedSample;
use alumet_core::plugin::{Host, Plugin, StartContext, Verdict};
use alumet_core::testkit::{Bench, FakeRoot, ManualClock};
use alumet_plugin_containers::{Config, ContainersPlugin};
use alumet_shared_cgroup_source::testkit::{annotated, named};

const ID: &str = "9687bac58d5c4d1606aa46af33d1a21c1d1652e0ac9fb3fc0fc86e3495f42869";

fn machine(groups: &[&str]) -> FakeRoot {
    let root = FakeRoot::new();
    root.write("proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
    for group in groups {
        root.write(
            format!("sys/fs/cgroup{}/cpu.stat", group.replace("ID", ID)),
            "usage_usec 5\n",
        );
    }
    root
}

fn bench(config: &str, root: &FakeRoot) -> Bench {
    let config: Config = toml::from_str(&format!("hierarchy = 'v2'\n{config}")).unwrap();
    Bench::start::<ContainersPlugin>(config, root.path()).unwrap()
}

/// The groups that are measured, with what is said of them.
fn measured(samples: &[RecordedSample]) -> Vec<String> {
    let all = named(samples).into_iter();
    all.map(|(path, said)| format!("{path}: {said}").replace(ID, "ID"))
        .collect()
}

#[test]
fn each_layout_is_measured_once_with_what_its_name_tells_and_nothing_else_is() {
    let root = machine(&[
        "/docker",
        "/docker/ID",
        "/docker/ID/inner",
        "/docker/buildkit/abc",
        "/system.slice/docker-ID.scope",
        "/system.slice/docker.service",
        "/machine.slice/libpod-ID.scope",
        "/machine.slice/libpod-ID.scope/container",
        "/machine.slice/libpod-conmon-ID.scope",
        "/system.slice/web.service/libpod-payload-ID",
        "/system.slice/web.service/runtime",
        "/user.slice/user-7.slice/user@7.service/user.slice/docker-ID.scope",
        "/system.slice/nerdctl-ID.scope",
        "/ecs/task/ID",
        "/system.slice/runc-box.scope",
        "/lxc.payload.web",
        "/lxc.monitor.web",
        r"/machine.slice/systemd-nspawn@a\x2db.service",
        r"/machine.slice/systemd-nspawn@a\x2db.service/payload",
        "/machine.slice/machine-deb.scope",
        r"/machine.slice/machine-qemu\x2d1\x2dvm.scope",
        "/kubepods.slice/kubepods-podx.slice/cri-containerd-ID.scope",
    ]);
    let mut bench = bench("names = 'never'", &root);
    let samples = bench.poll("containers").unwrap();
    assert_eq!(
        measured(&samples),
        [
            "/docker/ID: container_id=ID runtime=docker",
            "/docker/buildkit/abc: container_id=abc runtime=buildkit",
            "/ecs/task/ID: container_id=ID",
            "/lxc.payload.web: container=web runtime=lxc",
            "/machine.slice/libpod-ID.scope: container_id=ID runtime=podman",
            "/machine.slice/machine-deb.scope: container=deb runtime=systemd-nspawn",
            r"/machine.slice/systemd-nspawn@a\x2db.service: container=a-b runtime=systemd-nspawn",
            "/system.slice/docker-ID.scope: container_id=ID runtime=docker",
            "/system.slice/nerdctl-ID.scope: container_id=ID runtime=containerd",
            "/system.slice/runc-box.scope: container_id=box runtime=runc",
            "/system.slice/web.service/libpod-payload-ID: container_id=ID runtime=podman",
            "/user.slice/user-7.slice/user@7.service/user.slice/docker-ID.scope: container_id=ID runtime=docker",
        ]
    );
    assert!(
        !samples
            .iter()
            .any(|sample| sample.series.metric.name == "cgroup_unresolved")
    );
}

#[test]
fn what_others_measure_within_a_container_gets_its_attributes_where_that_is_wanted() {
    for (config, expected) in [
        (
            "annotate_foreign_measurements = true",
            "{container=web, runtime=lxc}",
        ),
        (
            "annotate_foreign_measurements = true\ndisable_sources = true",
            "{container=web, runtime=lxc}",
        ),
        ("", "{}"),
    ] {
        let root = machine(&["/lxc.payload.web"]);
        let mut bench = bench(config, &root);
        let own = bench.poll("containers").unwrap();
        assert_eq!(own.is_empty(), config.contains("disable_sources"), "{config}");
        assert_eq!(annotated(&mut bench, "/lxc.payload.web/system.slice"), expected);
    }
}

#[test]
fn doctor_learns_which_sockets_are_there() {
    let root = machine(&[]);
    root.write("run/docker.sock", "");
    let host = Host::trial(Arc::new(ManualClock::new()), root.path());
    let mut context = StartContext::new(&host);
    ContainersPlugin::start(Config::default(), &mut context).unwrap();
    let verdict = |subject: &str| {
        let mut of_subject = context.findings().iter().filter(|note| note.subject == subject);
        of_subject.next().map(|note| note.verdict)
    };
    assert_eq!(verdict("socket of Docker"), Some(Verdict::Works));
    assert_eq!(verdict("socket of Podman"), Some(Verdict::Absent));
}
