//! Resources of OpenTelemetry: where something runs, and which process, pod or container it is.

use std::path::Path;

use alumet_core::attributes::{AttributeValue, Attributes};
use alumet_core::series::SeriesInfo;
use alumet_core::{Consumer, Resource};

use crate::config::Config;

/// What the machine below `root` is known by.
pub(crate) fn host(root: &Path) -> Attributes {
    [
        ("host.name", "proc/sys/kernel/hostname"),
        ("host.id", "etc/machine-id"),
    ]
    .into_iter()
    .filter_map(|(key, path)| {
        let text = std::fs::read_to_string(root.join(path)).ok()?;
        let text = text.trim();
        // Before its first start, a machine has another text than an id.
        (!text.is_empty() && text != "uninitialized").then(|| (key, text.to_owned()))
    })
    .collect()
}

/// The attributes of the resource to which the points of a series belong.
pub(crate) fn resource(info: &SeriesInfo, host: &Attributes, config: &Config) -> Attributes {
    let node = info.attributes().get(&config.host_attribute);
    let mut all: Vec<(String, AttributeValue)> = vec![("service.name".to_owned(), "alumet".into())];
    let mut add = |key: &str, value: AttributeValue| all.push((key.to_owned(), value));
    match node {
        Some(node) => add("host.name", node.to_string().into()),
        None => host.iter().for_each(|(key, value)| add(key, value.clone())),
    }
    match info.consumer() {
        Consumer::Process { pid } => add("process.pid", (*pid).into()),
        Consumer::ControlGroup { path } => {
            if let Some(uid) = pod_uid(path) {
                add("k8s.pod.uid", uid.into());
            }
            if let Some(id) = container_id(path) {
                add("container.id", id.into());
            }
        }
        _ => {}
    }
    for (key, text) in &config.resource_attributes {
        add(key, text.as_str().into());
    }
    let given = |key: &str| config.resource_attributes.get(key);
    all.retain(|(key, _)| given(key).is_none_or(|text| !text.is_empty()));
    all.into_iter().collect()
}

/// `hw.type` of a resource that is a piece of hardware.
pub(crate) const fn hardware(resource: &Resource) -> Option<&'static str> {
    Some(match resource {
        Resource::CpuPackage { .. } | Resource::CpuCore { .. } => "cpu",
        Resource::Dram { .. } => "memory",
        Resource::Gpu { .. } | Resource::GpuPartition { .. } => "gpu",
        _ => return None,
    })
}

/// The id of the pod in a path of Kubernetes: `…/kubepods-burstable-pod1234_….slice/…`, or `/kubepods/pod1234-…/…`.
fn pod_uid(path: &str) -> Option<String> {
    path.split('/').find_map(|part| {
        let (_, uid) = part.strip_suffix(".slice").unwrap_or(part).rsplit_once("pod")?;
        let is_uid = uid.len() == 36
            && uid
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit() || b"_-".contains(&byte));
        is_uid.then(|| uid.replace('_', "-"))
    })
}

/// The id of the container in the last part of a path: `…/cri-containerd-0123….scope`, or `…/0123…`.
pub(crate) fn container_id(path: &str) -> Option<&str> {
    let (_, last) = path.rsplit_once('/')?;
    let last = last.strip_suffix(".scope").unwrap_or(last);
    let id = last.rsplit_once('-').map_or(last, |(_, id)| id);
    (id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_control_groups_name_pods_and_containers() {
        let id = "0123456789abcdef".repeat(4);
        let uid = "01234567-89ab-cdef-0123-456789abcdef";
        let below = uid.replace('-', "_");
        for (path, pod, container) in [
            (
                format!(
                    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{below}.slice/cri-containerd-{id}.scope"
                ),
                Some(uid),
                Some(&*id),
            ),
            (
                format!("/kubepods/besteffort/pod{uid}/{id}"),
                Some(uid),
                Some(&*id),
            ),
            (
                format!("/kubepods.slice/kubepods-pod{below}.slice"),
                Some(uid),
                None,
            ),
            (format!("/system.slice/docker-{id}.scope"), None, Some(&*id)),
            ("/user.slice/user-1000.slice".to_owned(), None, None),
            ("/podman/tripod.slice".to_owned(), None, None),
            (String::new(), None, None),
        ] {
            assert_eq!(pod_uid(&path).as_deref(), pod, "{path}");
            assert_eq!(container_id(&path), container, "{path}");
        }
    }
}
