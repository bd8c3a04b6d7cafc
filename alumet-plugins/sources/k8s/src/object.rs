//! What is read of the objects of the API: the few fields that are of use. Whatever else they have is skipped.
//!
//! Format: `k8s.io/api/core/v1/types.go` (`Pod`, `PodList`) and `k8s.io/apimachinery/pkg/apis/meta/v1/types.go` (`ObjectMeta`,
//! `Status`, `WatchEvent`). An empty list or table can be `null` or missing.

use std::collections::BTreeMap;

use serde::Deserialize;

/// All pods that were asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct PodList {
    #[serde(rename = "kind")]
    _kind: Kind,
    #[serde(default)]
    pub(crate) metadata: ListMeta,
    #[serde(default)]
    pub(crate) items: Option<Vec<Pod>>,
}

/// Anything else is no list of pods.
#[derive(Debug, Deserialize)]
enum Kind {
    PodList,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListMeta {
    pub(crate) resource_version: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Pod {
    pub(crate) metadata: ObjectMeta,
    pub(crate) spec: PodSpec,
    pub(crate) status: PodStatus,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ObjectMeta {
    pub(crate) uid: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) resource_version: String,
    pub(crate) labels: Option<BTreeMap<String, String>>,
    pub(crate) annotations: Option<BTreeMap<String, String>>,
    pub(crate) owner_references: Option<Vec<OwnerReference>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct OwnerReference {
    pub(crate) kind: String,
    pub(crate) name: String,
    /// Of several owners the one that manages the object.
    pub(crate) controller: Option<bool>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PodSpec {
    pub(crate) priority_class_name: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PodStatus {
    init_container_statuses: Option<Vec<ContainerStatus>>,
    container_statuses: Option<Vec<ContainerStatus>>,
    ephemeral_container_statuses: Option<Vec<ContainerStatus>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct ContainerStatus {
    name: String,
    /// `containerd://<id>`.
    #[serde(rename = "containerID")]
    id: Option<String>,
    state: ContainerState,
    #[serde(rename = "lastState")]
    last_state: ContainerState,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct ContainerState {
    terminated: Option<Terminated>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Terminated {
    #[serde(rename = "containerID")]
    id: Option<String>,
}

/// What a line of a watch is.
#[derive(Debug, Deserialize)]
pub(crate) struct EventType {
    #[serde(rename = "type")]
    pub(crate) name: String,
}

/// A line of a watch.
#[derive(Debug, Deserialize)]
pub(crate) struct Event<T> {
    pub(crate) object: T,
}

/// Why the server does not do what was asked.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    pub(crate) code: u16,
    pub(crate) message: String,
}

impl PodStatus {
    /// The ids of all containers, those that have ended included, with their names.
    pub(crate) fn containers(&self) -> impl Iterator<Item = (&str, &str)> {
        let lists = [
            &self.init_container_statuses,
            &self.container_statuses,
            &self.ephemeral_container_statuses,
        ];
        lists.into_iter().flatten().flatten().flat_map(|container| {
            let ended =
                [&container.state, &container.last_state].map(|state| state.terminated.as_ref()?.id.as_ref());
            let ids = [container.id.as_ref()].into_iter().chain(ended).flatten();
            ids.filter_map(|id| Some((id.split_once("://")?.1, &*container.name)))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn containers_of_all_kinds_and_their_former_lives_have_their_names() {
        let text = r#"{
            "initContainerStatuses": [{"name": "init", "containerID": "containerd://1", "state": {"terminated": {"containerID": "containerd://1"}}}],
            "containerStatuses": [
                {"name": "web", "containerID": "cri-o://2", "lastState": {"terminated": {"containerID": "cri-o://3"}}, "state": {"running": {}}},
                {"name": "new", "state": {"waiting": {"reason": "ContainerCreating"}}}
            ],
            "ephemeralContainerStatuses": [{"name": "debug", "containerID": "docker://4"}]
        }"#;
        let status: PodStatus = serde_json::from_str(text).unwrap();
        let containers: Vec<_> = status.containers().collect();
        assert_eq!(
            containers,
            [
                ("1", "init"),
                ("1", "init"),
                ("2", "web"),
                ("3", "web"),
                ("4", "debug")
            ]
        );
    }

    #[test]
    fn what_is_missing_or_null_is_empty() {
        let list: PodList = serde_json::from_str(r#"{"kind": "PodList", "items": null}"#).unwrap();
        assert!(list.items.is_none());
        let text = r#"{"metadata": {"uid": "u", "labels": null, "ownerReferences": null}, "status": {"containerStatuses": null}}"#;
        let pod: Pod = serde_json::from_str(text).unwrap();
        assert_eq!((&*pod.metadata.uid, pod.status.containers().count()), ("u", 0));
    }

    #[test]
    fn another_object_is_no_list_of_pods() {
        for text in [r#"{"kind": "Status", "items": []}"#, "{}", "[]", "<html>"] {
            assert!(serde_json::from_str::<PodList>(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_or_refused(bytes: Vec<u8>) {
            let _ = serde_json::from_slice::<PodList>(&bytes);
            let _ = serde_json::from_slice::<Event<Pod>>(&bytes);
        }
    }
}
