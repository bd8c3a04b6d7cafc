//! What samples say of a pod.

use alumet_core::Attributes;

use crate::config::Config;
use crate::object::Pod;
use crate::owner::owner;

/// What the configuration wants to be said of pods.
#[derive(Debug, Clone)]
pub(crate) struct Naming {
    node: String,
    containers: bool,
    labels: Vec<String>,
    annotations: Vec<String>,
    owner: bool,
    priority_class: bool,
}

/// The attributes that pods can have, besides labels and annotations.
pub(crate) const KEYS: &[&str] = &[
    "uid",
    "name",
    "namespace",
    "node",
    "container",
    "owner_kind",
    "owner_name",
    "qos_class",
    "priority_class",
];

/// What is known of a pod.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KnownPod {
    /// Its attributes.
    pub(crate) attributes: Attributes,
    /// The ids of its containers and their names, if containers are of interest.
    pub(crate) containers: Vec<(Box<str>, Box<str>)>,
}

/// What the kubelet writes to the mirror of a static pod: the uid that the control group has
/// (`pkg/kubelet/types/pod_update.go` of Kubernetes, `ConfigHashAnnotationKey` and `ConfigMirrorAnnotationKey`).
const HASHES: [&str; 2] = ["kubernetes.io/config.hash", "kubernetes.io/config.mirror"];

impl Naming {
    pub(crate) fn new(config: &Config, node: String) -> Self {
        Self {
            node,
            containers: config.annotate_containers,
            labels: config.labels.clone(),
            annotations: config.annotations.clone(),
            owner: config.owner,
            priority_class: config.priority_class,
        }
    }

    /// The attributes that pods have with this configuration.
    pub(crate) fn keys(config: &Config) -> Vec<String> {
        let is_wanted = |key: &&str| match *key {
            "container" => config.annotate_containers,
            "owner_kind" | "owner_name" => config.owner,
            "qos_class" => config.qos_class,
            "priority_class" => config.priority_class,
            _ => true,
        };
        let fixed = KEYS.iter().filter(|key| is_wanted(key)).map(ToString::to_string);
        let labels = config.labels.iter().map(|key| format!("label_{key}"));
        let annotations = config.annotations.iter().map(|key| format!("annotation_{key}"));
        fixed.chain(labels).chain(annotations).collect()
    }

    /// What the path alone says of a pod.
    pub(crate) fn by_uid(&self, uid: &str) -> Attributes {
        [("uid", uid), ("node", &self.node)].into_iter().collect()
    }

    /// What the API says of a pod.
    pub(crate) fn by_name(&self, pod: &Pod) -> KnownPod {
        let meta = &pod.metadata;
        let mut pairs = vec![
            ("uid".to_owned(), &*meta.uid),
            ("name".to_owned(), &*meta.name),
            ("namespace".to_owned(), &*meta.namespace),
            ("node".to_owned(), &*self.node),
        ];
        for (wanted, there, what) in [
            (&self.labels, &meta.labels, "label"),
            (&self.annotations, &meta.annotations, "annotation"),
        ] {
            let found = wanted
                .iter()
                .filter_map(|key| Some((key, there.as_ref()?.get(key)?)));
            pairs.extend(found.map(|(key, value)| (format!("{what}_{key}"), &**value)));
        }
        if self.owner
            && let Some((kind, name)) = owner(meta)
        {
            pairs.push(("owner_kind".to_owned(), kind));
            pairs.push(("owner_name".to_owned(), name));
        }
        if let (true, Some(class)) = (self.priority_class, &pod.spec.priority_class_name) {
            pairs.push(("priority_class".to_owned(), class));
        }
        let mut containers = Vec::new();
        if self.containers {
            containers.extend(pod.status.containers().map(|(id, name)| (id.into(), name.into())));
        }
        KnownPod {
            attributes: pairs.into_iter().collect(),
            containers,
        }
    }
}

/// The uids under which control groups can have the pod.
pub(crate) fn uids(pod: &Pod) -> impl Iterator<Item = &str> {
    let annotations = pod.metadata.annotations.as_ref();
    let hashes = HASHES.iter().filter_map(move |key| annotations?.get(*key));
    [&pod.metadata.uid].into_iter().chain(hashes).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = r#"{
        "metadata": {
            "uid": "u1", "name": "web-1", "namespace": "shop",
            "labels": {"app.kubernetes.io/name": "web", "tier": "front"},
            "annotations": {"example.org/team": "a \"b\"\n", "kubernetes.io/config.hash": "h1", "kubernetes.io/config.mirror": "h1"},
            "ownerReferences": [{"kind": "Node", "name": "n1", "controller": true}]
        },
        "spec": {"priorityClassName": "system-node-critical", "nodeName": "n1"},
        "status": {"containerStatuses": [{"name": "c", "containerID": "containerd://1"}]}
    }"#;

    fn by_name(config: &str) -> KnownPod {
        let config: Config = toml::from_str(config).unwrap();
        let pod = serde_json::from_str(POD).unwrap();
        Naming::new(&config, "n1".to_owned()).by_name(&pod)
    }

    fn pairs(pod: &KnownPod) -> Vec<String> {
        let attributes = pod.attributes.iter();
        attributes.map(|(key, value)| format!("{key}={value}")).collect()
    }

    #[test]
    fn whatever_a_pod_has_was_declared() {
        for config in [
            "",
            "labels = ['tier']\nannotations = ['example.org/team']\nowner = true\npriority_class = true",
        ] {
            let keys = Naming::keys(&toml::from_str(config).unwrap());
            for (key, _) in by_name(config).attributes.iter() {
                assert!(
                    keys.iter().any(|declared| *declared == **key),
                    "{key} of {keys:?}"
                );
            }
        }
    }

    #[test]
    fn four_attributes_are_always_there_and_others_are_asked_for() {
        let pod = by_name("");
        assert_eq!(pairs(&pod), ["name=web-1", "namespace=shop", "node=n1", "uid=u1"]);
        assert!(pod.containers.is_empty());
        let pod = by_name(
            "labels = ['app.kubernetes.io/name', 'absent']
             annotations = ['example.org/team']
             owner = true
             priority_class = true
             annotate_containers = true",
        );
        assert_eq!(
            pairs(&pod),
            [
                "annotation_example.org/team=a \"b\"\n",
                "label_app.kubernetes.io/name=web",
                "name=web-1",
                "namespace=shop",
                "node=n1",
                "owner_kind=Node",
                "owner_name=n1",
                "priority_class=system-node-critical",
                "uid=u1",
            ]
        );
        assert_eq!(pod.containers, [("1".into(), "c".into())]);
    }

    #[test]
    fn a_static_pod_is_found_by_its_hash_as_well() {
        let pod = serde_json::from_str(POD).unwrap();
        assert_eq!(uids(&pod).collect::<Vec<_>>(), ["u1", "h1", "h1"]);
    }
}
