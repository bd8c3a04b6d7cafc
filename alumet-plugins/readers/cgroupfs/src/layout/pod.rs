//! Control groups of the pods and containers of Kubernetes.
//!
//! The kubelet names the group of a pod (`pkg/kubelet/cm/pod_container_manager_linux.go` and `cgroup_manager_linux.go`), below
//! one for its class of service; the driver says how:
//!
//! ```text
//! systemd   kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid, with _ for ->.slice/
//! cgroupfs  kubepods/burstable/pod<uid>/
//! ```
//!
//! Pods of the class Guaranteed are directly below `kubepods`. What lies above differs: nothing, the root that the kubelet was given,
//! or a container that holds the whole node. What lies below is named by the runtime (for containerd
//! `internal/cri/server/podsandbox/helpers.go`, for CRI-O `internal/config/cgmgr`, for Docker `daemon/oci_linux.go`): the id of the
//! container, with a prefix and `.scope` under systemd.

use std::str;

use crate::CgroupPath;

/// What the path of a control group says of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodGroup<'a> {
    /// The uid of the pod as the kubelet knows it. That of a static pod is the hash of its manifest, and another one than the uid
    /// of its mirror in the API.
    pub uid: String,
    /// The class of service.
    pub qos: QosClass,
    /// Which part of the pod it is.
    pub part: Part<'a>,
}

/// How a pod is treated when resources are short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QosClass {
    /// All its containers have limits that equal their requests.
    Guaranteed,
    /// Something is requested.
    Burstable,
    /// Nothing is requested.
    BestEffort,
}

/// A part of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// The pod with all that is in it.
    Whole,
    /// A container, or the sandbox that holds the namespaces of the pod.
    Container(Container<'a>),
    /// Something else in the pod: a monitor of the runtime, or a group that a container made for itself.
    Other,
}

/// A container as its runtime names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Container<'a> {
    /// The id, which is what follows `://` in the status of the pod.
    pub id: &'a str,
    /// The runtime, in the word that precedes `://` there, if the name of the group tells.
    pub runtime: Option<&'static str>,
    /// Whether the group of the pod contains it. It does not when the kubelet expects systemd and the runtime does not use it.
    pub is_in_pod: bool,
}

impl QosClass {
    /// The word of the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }
}

/// The pod that the control group is, or is in; `None` when it is in none. Of pods in pods it is the outermost one.
pub fn parse(path: &CgroupPath) -> Option<PodGroup<'_>> {
    let mut components = path.as_bytes().split(|byte| *byte == b'/').skip(1);
    // The class of what lies in the groups of the driver cgroupfs so far.
    let mut class = None;
    while let Some(component) = components.next() {
        let Ok(name) = str::from_utf8(component) else {
            class = None;
            continue;
        };
        if let Some((uid, qos, lone)) = slice(name) {
            let uid = uid.replace('_', "-");
            let part = match lone {
                Some(container) => Part::Container(container),
                None => part(components),
            };
            return Some(PodGroup { uid, qos, part });
        }
        if let (Some(qos), Some(uid)) = (class, name.strip_prefix("pod").filter(|uid| is_uid(uid))) {
            let uid = uid.to_owned();
            let part = part(components);
            return Some(PodGroup { uid, qos, part });
        }
        class = match (name, class) {
            ("kubepods", _) => Some(QosClass::Guaranteed),
            ("burstable", Some(QosClass::Guaranteed)) => Some(QosClass::Burstable),
            ("besteffort", Some(QosClass::Guaranteed)) => Some(QosClass::BestEffort),
            _ => None,
        };
    }
    None
}

/// Takes a name like `kubepods-burstable-pod<uid>.slice` apart. A runtime that does not know systemd makes one group of what it was
/// given as slice, prefix and id: `kubepods-pod<uid>.slice:cri-containerd:<id>`.
fn slice(name: &str) -> Option<(&str, QosClass, Option<Container<'_>>)> {
    let (slice, rest) = name.split_once(".slice")?;
    let (before, pods) = slice.split_once("kubepods-")?;
    if !before.is_empty() && !before.ends_with('-') {
        return None;
    }
    let (qos, pod) = if let Some(pod) = pods.strip_prefix("burstable-") {
        (QosClass::Burstable, pod)
    } else if let Some(pod) = pods.strip_prefix("besteffort-") {
        (QosClass::BestEffort, pod)
    } else {
        (QosClass::Guaranteed, pods)
    };
    // A hyphen would be a slice in that of the pod.
    let uid = pod
        .strip_prefix("pod")
        .filter(|uid| is_uid(uid) && !uid.contains('-'))?;
    if rest.is_empty() {
        return Some((uid, qos, None));
    }
    let (prefix, id) = rest.strip_prefix(':')?.rsplit_once(':')?;
    let container = Container {
        id: Some(id).filter(|id| is_id(id))?,
        runtime: runtime(prefix),
        is_in_pod: false,
    };
    Some((uid, qos, Some(container)))
}

fn part<'a>(mut below: impl Iterator<Item = &'a [u8]>) -> Part<'a> {
    let Some(name) = below.next() else {
        return Part::Whole;
    };
    match (str::from_utf8(name).ok().and_then(container), below.next()) {
        (Some(container), None) => Part::Container(container),
        _ => Part::Other,
    }
}

/// The container with a name like `cri-containerd-<id>.scope`, `crio-<id>` or `<id>`.
fn container(name: &str) -> Option<Container<'_>> {
    let name = name.strip_suffix(".scope").unwrap_or(name);
    let (runtime, id) = match name.rsplit_once('-') {
        Some((prefix, id)) => (Some(runtime(prefix)?), id),
        None => (None, name),
    };
    is_id(id).then_some(Container {
        id,
        runtime,
        is_in_pod: true,
    })
}

fn runtime(prefix: &str) -> Option<&'static str> {
    match prefix {
        "cri-containerd" => Some("containerd"),
        "crio" => Some("cri-o"),
        "docker" => Some("docker"),
        _ => None,
    }
}

/// A UUID, a hash, or what a manifest says.
fn is_uid(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty() && text.bytes().all(is_part)
}

/// Ids have 64 digits.
fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const UID: &str = "5f39f6b0-7a67-4b32-9a8e-0c1d2e3f4a5b";
    const HASH: &str = "8a2c9f5e1b7d4c3a9e6f0b1d2c3e4f5a";

    /// The path, with `<u>` for the uid as systemd has it, `<U>` for the uid, `<h>` for that of a static pod, `<i>` for an id.
    fn path(text: &str) -> CgroupPath {
        let text = text
            .replace("<u>", &UID.replace('-', "_"))
            .replace("<U>", UID)
            .replace("<h>", HASH)
            .replace("<i>", ID);
        text.parse().unwrap()
    }

    /// `uid class part`.
    fn told(text: &str) -> Option<String> {
        let path = path(text);
        let PodGroup { uid, qos, part } = parse(&path)?;
        let uid = uid.replace(UID, "<U>").replace(HASH, "<h>");
        let part = match part {
            Part::Whole => "pod".to_owned(),
            Part::Other => "other".to_owned(),
            Part::Container(container) => {
                assert_eq!(container.id, ID);
                let alone = if container.is_in_pod { "" } else { " alone" };
                format!("{}{alone}", container.runtime.unwrap_or("container"))
            }
        };
        Some(format!("{uid} {} {part}", qos.name()))
    }

    #[test]
    fn every_layout_tells_its_pod() {
        let burstable = "kubepods-burstable.slice/kubepods-burstable-pod";
        let kind = "kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod";
        for (seen, path, expected) in [
            (
                "systemd, Guaranteed",
                "/kubepods.slice/kubepods-pod<u>.slice",
                "<U> Guaranteed pod",
            ),
            (
                "systemd, Burstable",
                &format!("/kubepods.slice/{burstable}<u>.slice"),
                "<U> Burstable pod",
            ),
            (
                "systemd, BestEffort",
                "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod<u>.slice",
                "<U> BestEffort pod",
            ),
            (
                "systemd, static pod",
                &format!("/kubepods.slice/{burstable}<h>.slice"),
                "<h> Burstable pod",
            ),
            (
                "systemd, containerd",
                &format!("/kubepods.slice/{burstable}<u>.slice/cri-containerd-<i>.scope"),
                "<U> Burstable containerd",
            ),
            (
                "systemd, CRI-O",
                &format!("/kubepods.slice/{burstable}<u>.slice/crio-<i>.scope"),
                "<U> Burstable cri-o",
            ),
            (
                "systemd, CRI-O with crun",
                &format!("/kubepods.slice/{burstable}<u>.slice/crio-<i>.scope/container"),
                "<U> Burstable other",
            ),
            (
                "systemd, monitor of CRI-O",
                &format!("/kubepods.slice/{burstable}<u>.slice/crio-conmon-<i>.scope"),
                "<U> Burstable other",
            ),
            (
                "systemd, cri-dockerd",
                &format!("/kubepods.slice/{burstable}<u>.slice/docker-<i>.scope"),
                "<U> Burstable docker",
            ),
            ("cgroupfs, Guaranteed", "/kubepods/pod<U>", "<U> Guaranteed pod"),
            (
                "cgroupfs, Burstable",
                "/kubepods/burstable/pod<U>",
                "<U> Burstable pod",
            ),
            (
                "cgroupfs, BestEffort",
                "/kubepods/besteffort/pod<U>",
                "<U> BestEffort pod",
            ),
            (
                "cgroupfs, static pod",
                "/kubepods/burstable/pod<h>",
                "<h> Burstable pod",
            ),
            (
                "cgroupfs, container",
                "/kubepods/pod<U>/<i>",
                "<U> Guaranteed container",
            ),
            (
                "cgroupfs, CRI-O",
                "/kubepods/besteffort/pod<U>/crio-<i>",
                "<U> BestEffort cri-o",
            ),
            (
                "cgroupfs, monitor of CRI-O",
                "/kubepods/pod<U>/crio-conmon-<i>",
                "<U> Guaranteed other",
            ),
            (
                "kind, systemd",
                &format!("/kubelet.slice/kubelet-kubepods.slice/{kind}<u>.slice/cri-containerd-<i>.scope"),
                "<U> Burstable containerd",
            ),
            (
                "kind, cgroupfs",
                "/kubelet/kubepods/burstable/pod<U>/<i>",
                "<U> Burstable container",
            ),
            (
                "kind, seen from its host",
                &format!("/docker/<i>/kubelet.slice/kubelet-kubepods.slice/{kind}<u>.slice"),
                "<U> Burstable pod",
            ),
            (
                "minikube in Docker",
                "/docker/<i>/kubepods/burstable/pod<U>/<i>",
                "<U> Burstable container",
            ),
            (
                "minikube in Docker with systemd",
                &format!("/system.slice/docker-<i>.scope/kubepods.slice/{burstable}<u>.slice"),
                "<U> Burstable pod",
            ),
            (
                "minikube in Podman",
                "/machine.slice/libpod-<i>.scope/container/kubepods/besteffort/pod<U>",
                "<U> BestEffort pod",
            ),
            (
                "k3s",
                "/system.slice/k3s.service/kubepods/pod<U>",
                "<U> Guaranteed pod",
            ),
            (
                "k3s of today",
                "/kubepods/burstable/pod<U>/<i>",
                "<U> Burstable container",
            ),
            (
                "vcluster: a k3s in a pod",
                &format!("/kubepods.slice/{burstable}<u>.slice/cri-containerd-<i>.scope/kubepods/pod<h>"),
                "<U> Burstable other",
            ),
            (
                "containerd without `SystemdCgroup`",
                "/system.slice/containerd.service/kubepods-besteffort-pod<u>.slice:cri-containerd:<i>",
                "<U> BestEffort containerd alone",
            ),
        ] {
            assert_eq!(told(path).as_deref(), Some(expected), "{seen}");
        }
    }

    #[test]
    fn what_is_no_pod_is_none() {
        for path in [
            "/",
            "/kubepods",
            "/kubepods/burstable",
            "/kubepods/pod",
            "/kubepods/other/pod<U>",
            "/pod<U>",
            "/burstable/pod<U>",
            "/kubepods.slice",
            "/kubepods.slice/kubepods-burstable.slice",
            "/kubepods.slice/kubepods-pod.slice",
            "/mykubepods-pod<u>.slice",
            "/kubepods-pod<u>.scope",
            "/kubepods-pod<u>.slice:cri-containerd:1",
            "/system.slice/docker-<i>.scope",
            "/machine.slice/libpod-<i>.scope",
        ] {
            assert_eq!(told(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_path_is_taken_or_refused(
            bytes: Vec<u8>,
            text in "(/(kubepods|burstable|pod[0-9a-f_-]{0,9}|kubepods-(burstable-)?pod[0-9_]{0,3}\\.slice(:[a-z:]{0,3})?|é)){0,5}",
        ) {
            for bytes in [&[b"/", &bytes[..]].concat(), text.as_bytes()] {
                if let Ok(path) = CgroupPath::from_bytes(bytes) {
                    prop_assert!(parse(&path).is_none_or(|pod| !pod.uid.is_empty()));
                }
            }
        }
    }
}
