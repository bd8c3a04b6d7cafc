//! Control groups of containers outside of Kubernetes.
//!
//! Who names them: Docker `daemon/oci_linux.go` (`WithCgroups`), Podman `libpod/container_internal_linux.go` and
//! `libpod/oci_conmon_linux.go` (`libpod-payload` of `--cgroups=split`), nerdctl `pkg/cmd/container/run_cgroup_linux.go`, runc
//! `libcontainer/specconv/spec_linux.go`, crun `src/libcrun/cgroup.c`, LXC `src/lxc/cgroups/cgfsng.c`, systemd
//! `src/machine/machine-dbus.c` and `units/systemd-nspawn@.service.in`:
//!
//! ```text
//! docker-<id>.scope     docker/<id>     docker/buildkit/<id>
//! libpod-<id>.scope     libpod_parent/libpod-<id>     <any>.service/libpod-payload-<id>
//! nerdctl-<id>.scope    default/<id>
//! runc-<id>.scope       crun-<id>.scope     buildah-<id>     <parent of choice>/<id>
//! lxc.payload.<name>    lxc/<name>
//! systemd-nspawn@<name>.service     machine-<name>.scope
//! ```

use std::borrow::Cow;

use super::machine::{Domain, components, scope, unescape};
use crate::CgroupPath;

/// A container, as far as the name of its control group tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container<'a> {
    /// What runs it; `None` for an id below a parent that somebody chose.
    pub runtime: Option<Runtime>,
    /// How it is called there.
    pub label: Label<'a>,
    /// The user who runs it, where that is not root but a user whose service manager the group is below.
    pub user_id: Option<u32>,
    /// Whether the group is one within that of the container.
    pub is_inside: bool,
}

/// How a control group calls a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Label<'a> {
    /// By an id; people use another name.
    Id(&'a str),
    /// By the name that people use.
    Name(Cow<'a, str>),
}

/// What runs containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Runtime {
    /// The engine of Docker.
    Docker,
    /// The builder in Docker.
    Buildkit,
    /// Podman.
    Podman,
    /// containerd, as nerdctl uses it.
    Containerd,
    /// Buildah.
    Buildah,
    /// runc on its own.
    Runc,
    /// crun on its own.
    Crun,
    /// LXC, LXD and Incus.
    Lxc,
    /// systemd-nspawn.
    Nspawn,
}

impl Runtime {
    /// Its name, as its command has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Buildkit => "buildkit",
            Self::Podman => "podman",
            Self::Containerd => "containerd",
            Self::Buildah => "buildah",
            Self::Runc => "runc",
            Self::Crun => "crun",
            Self::Lxc => "lxc",
            Self::Nspawn => "systemd-nspawn",
        }
    }
}

impl<'a> Container<'a> {
    /// The container whose control group this is, or in whose control group it lies: of several around each other the outer one.
    /// What belongs to Kubernetes, also when all of it is in a container, and to libvirt is none.
    pub fn of(path: &'a CgroupPath) -> Option<Self> {
        let mut components = components(path);
        let is_other = |component: &str| component.contains("kubepods");
        if components.clone().any(is_other) || Domain::of(path).is_some() {
            return None;
        }
        let (mut user_id, mut above) = (None, [""; 2]);
        let mut depth = 0;
        while let Some(component) = components.next() {
            depth += 1;
            if let Some((runtime, label)) = named(component, above, depth) {
                return Some(Self {
                    runtime,
                    label,
                    user_id,
                    is_inside: components.next().is_some(),
                });
            }
            user_id = manager_of(component).or(user_id);
            above = [above[1], component];
        }
        None
    }
}

/// What one component says, `depth` being 1 below the root.
fn named<'a>(component: &'a str, above: [&str; 2], depth: usize) -> Option<(Option<Runtime>, Label<'a>)> {
    let id = |runtime, id| Some((Some(runtime), Label::Id(id)));
    let name = |runtime, name| Some((Some(runtime), Label::Name(name)));
    let long = |text: &'a str| Some(text).filter(|text| is_long_id(text));
    let filled = |text: &'a str| Some(text).filter(|text| !text.is_empty());
    let own_scope = |prefix| scope(component, prefix);
    if let Some(found) = own_scope("docker-").and_then(long) {
        return id(Runtime::Docker, found);
    }
    let of_podman = own_scope("libpod-").or_else(|| {
        component
            .strip_prefix("libpod-payload-")
            .or_else(|| component.strip_prefix("libpod-"))
    });
    if let Some(found) = of_podman.and_then(long) {
        return id(Runtime::Podman, found);
    }
    if let Some(found) = own_scope("nerdctl-").and_then(long) {
        return id(Runtime::Containerd, found);
    }
    for (prefix, runtime) in [("runc-", Runtime::Runc), ("crun-", Runtime::Crun)] {
        if let Some(found) = own_scope(prefix).and_then(filled) {
            return id(runtime, found);
        }
    }
    if component.starts_with("buildah-") {
        return id(
            Runtime::Buildah,
            component.strip_suffix(".scope").unwrap_or(component),
        );
    }
    if let Some(found) = component.strip_prefix("lxc.payload.").and_then(filled) {
        return name(Runtime::Lxc, found.into());
    }
    let of_nspawn = component
        .strip_prefix("systemd-nspawn@")
        .and_then(|unit| unit.strip_suffix(".service"))
        .or_else(|| own_scope("machine-"));
    if let Some(found) = of_nspawn.and_then(filled) {
        return name(Runtime::Nspawn, unescape(found));
    }
    match above {
        ["docker", "buildkit"] => filled(component).and_then(|found| id(Runtime::Buildkit, found)),
        [_, "lxc"] if depth == 2 => filled(component).and_then(|found| name(Runtime::Lxc, found.into())),
        // Its pods have ids of the same length, and containers in them.
        [_, "libpod_parent"] => None,
        [_, parent] => long(component).map(|found| {
            let runtime = match parent {
                "docker" => Some(Runtime::Docker),
                "default" if depth == 2 => Some(Runtime::Containerd),
                _ => None,
            };
            (runtime, Label::Id(found))
        }),
    }
}

/// The user of `user@<uid>.service`.
fn manager_of(component: &str) -> Option<u32> {
    let uid = component.strip_prefix("user@")?.strip_suffix(".service")?;
    uid.parse().ok()
}

/// An id as engines make it: 64 hexadecimal digits.
fn is_long_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "9687bac58d5c4d1606aa46af33d1a21c1d1652e0ac9fb3fc0fc86e3495f42869";

    fn path(text: &str) -> CgroupPath {
        CgroupPath::from_bytes(text.replace("ID", ID).as_bytes()).unwrap()
    }

    /// Path, runtime, id or name, user, and whether it lies within: each layout with where it was seen. `ID` is a long id.
    #[test]
    fn each_layout_tells_the_container() {
        use Runtime::*;
        let (id, name) = (|| Label::Id(ID), |name: &'static str| Label::Name(name.into()));
        for (text, runtime, label, user_id, is_inside) in [
            // Docker 20 and later with the driver systemd, as on Debian 12
            ("/system.slice/docker-ID.scope", Some(Docker), id(), None, false),
            (
                "/system.slice/docker-ID.scope/init.scope",
                Some(Docker),
                id(),
                None,
                true,
            ),
            // Docker with the driver cgroupfs, both versions of control groups
            ("/docker/ID", Some(Docker), id(), None, false),
            // Docker in Docker, and kind without its pods
            ("/docker/ID/docker/ID", Some(Docker), id(), None, true),
            (
                "/docker/ID/kubelet.slice/kubelet.service",
                Some(Docker),
                id(),
                None,
                true,
            ),
            // `docker build`
            (
                "/docker/buildkit/4o1ctjezjgh8ov8rh16qh9k8n",
                Some(Buildkit),
                Label::Id("4o1ctjezjgh8ov8rh16qh9k8n"),
                None,
                false,
            ),
            // Rootless Docker
            (
                "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-ID.scope",
                Some(Docker),
                id(),
                Some(1000),
                false,
            ),
            // Tasks of ECS, jobs of GitHub runners: a parent of choice
            ("/ecs/1f2d/ID", None, id(), None, false),
            ("/actions_job/ID", None, id(), None, false),
            (
                "/ecstasks.slice/ecstasks-1f2d.slice/docker-ID.scope",
                Some(Docker),
                id(),
                None,
                false,
            ),
            // Podman with systemd
            ("/machine.slice/libpod-ID.scope", Some(Podman), id(), None, false),
            (
                "/machine.slice/libpod-ID.scope/container",
                Some(Podman),
                id(),
                None,
                true,
            ),
            (
                "/machine.slice/machine-libpod_pod_ID.slice/libpod-ID.scope",
                Some(Podman),
                id(),
                None,
                false,
            ),
            // Rootless Podman
            (
                "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container",
                Some(Podman),
                id(),
                Some(1000),
                true,
            ),
            // Quadlet: `--cgroups=split`
            (
                "/system.slice/nginx.service/libpod-payload-ID",
                Some(Podman),
                id(),
                None,
                false,
            ),
            (
                "/user.slice/user-3020.slice/user@3020.service/app.slice/pihole.service/libpod-payload-ID",
                Some(Podman),
                id(),
                Some(3020),
                false,
            ),
            // Podman with cgroupfs
            ("/libpod_parent/libpod-ID", Some(Podman), id(), None, false),
            ("/libpod_parent/ID/libpod-ID", Some(Podman), id(), None, false),
            // nerdctl, with systemd and with cgroupfs
            (
                "/system.slice/nerdctl-ID.scope",
                Some(Containerd),
                id(),
                None,
                false,
            ),
            ("/default/ID", Some(Containerd), id(), None, false),
            // OCI runtimes and builders on their own
            (
                "/system.slice/runc-box.scope",
                Some(Runc),
                Label::Id("box"),
                None,
                false,
            ),
            (
                "/user.slice/crun-box.scope",
                Some(Crun),
                Label::Id("box"),
                None,
                false,
            ),
            (
                "/buildah-buildah2861240373",
                Some(Buildah),
                Label::Id("buildah-buildah2861240373"),
                None,
                false,
            ),
            ("/ID", None, id(), None, false),
            // LXC 4 and later, LXD, Incus; LXC 3; Proxmox VE
            ("/lxc.payload.web-1", Some(Lxc), name("web-1"), None, false),
            (
                "/lxc.payload.u1/system.slice/docker-ID.scope",
                Some(Lxc),
                name("u1"),
                None,
                true,
            ),
            ("/lxc/web", Some(Lxc), name("web"), None, false),
            ("/lxc/101/ns/init.scope", Some(Lxc), name("101"), None, true),
            // systemd-nspawn as a service, and started by hand
            (
                "/machine.slice/systemd-nspawn@web.service",
                Some(Nspawn),
                name("web"),
                None,
                false,
            ),
            (
                r"/machine.slice/systemd-nspawn@my\x2dweb.service/payload",
                Some(Nspawn),
                name("my-web"),
                None,
                true,
            ),
            (
                "/machine.slice/systemd-nspawn@my-web.service/supervisor",
                Some(Nspawn),
                name("my-web"),
                None,
                true,
            ),
            (
                r"/machine.slice/machine-my\x2dweb.scope",
                Some(Nspawn),
                name("my-web"),
                None,
                false,
            ),
        ] {
            let path = path(text);
            let expected = Container {
                runtime,
                label,
                user_id,
                is_inside,
            };
            assert_eq!(Container::of(&path), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_container_has_none() {
        for text in [
            "/",
            "/system.slice",
            "/docker",
            "/docker/buildkit",
            "/default",
            "/system.slice/docker.service",
            "/system.slice/docker-short.scope",
            "/system.slice/containerd.service/kubepods-burstable-podx.slice:cri-containerd:ID",
            "/system.slice/containerd.service/payload",
            // What watches a container is none.
            "/machine.slice/libpod-conmon-ID.scope",
            "/libpod_parent/conmon",
            "/libpod_parent/libpod-conmon-ID",
            "/system.slice/nginx.service/runtime",
            "/lxc.monitor.web",
            "/lxc.monitor/101",
            "/lxc",
            // A pod of Podman holds containers.
            "/machine.slice/machine-libpod_pod_ID.slice",
            "/libpod_parent/ID",
            // Kubernetes has a plugin of its own, in kind and k3d, too.
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podx.slice/docker-ID.scope",
            "/kubepods/burstable/podx/ID",
            "/docker/ID/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podx.slice/cri-containerd-ID.scope",
            // So has libvirt.
            r"/machine.slice/machine-qemu\x2d1\x2dweb.scope",
            "/machine/lxc-1-box.libvirt-lxc",
            "/machine.slice/machine-.scope",
            "/machine.slice/systemd-nspawn@.service",
            "/lxc.payload.",
            "/system.slice/runc-.scope",
            "/a/b/lxc/web",
        ] {
            assert_eq!(Container::of(&path(text)), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_path_is_taken_or_refused(raw: Vec<u8>, text in r"(/(docker|-|libpod|payload|ID|lxc|\.payload\.|machine|user@|[0-9é]|\\x2|\.scope|\.service|buildkit){0,5}){1,5}") {
            let text = text.replace("ID", ID);
            for bytes in [&[b"/", &raw[..]].concat()[..], text.as_bytes()] {
                if let Ok(path) = CgroupPath::from_bytes(bytes) {
                    let _ = Container::of(&path);
                }
            }
        }

        #[test]
        fn whatever_a_container_makes_for_itself_lies_within_it(below in "(/[a-z]{1,6}){1,3}") {
            let (whole, inner) = (path("/system.slice/docker-ID.scope"), path(&format!("/system.slice/docker-ID.scope{below}")));
            let expected = Container { is_inside: true, ..Container::of(&whole).unwrap() };
            prop_assert_eq!(Container::of(&inner), Some(expected));
        }
    }
}
