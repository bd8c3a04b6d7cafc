//! Who has made a pod, in the terms in which people think.

use crate::object::ObjectMeta;

/// The label that a deployment gives its replica sets and their pods; the same text ends the name of the replica set
/// (`pkg/controller/deployment/sync.go` of Kubernetes).
const TEMPLATE_HASH: &str = "pod-template-hash";

/// The kind and the name of what has made a pod; `None` for a pod that somebody has made by hand.
pub(crate) fn owner(pod: &ObjectMeta) -> Option<(&str, &str)> {
    let owners = pod.owner_references.as_ref()?;
    let owner = owners.iter().find(|owner| owner.controller == Some(true))?;
    let (kind, name) = (&*owner.kind, &*owner.name);
    let above = match kind {
        "ReplicaSet" => {
            let hash = pod.labels.as_ref().and_then(|labels| labels.get(TEMPLATE_HASH));
            let deployment = hash.and_then(|hash| name.strip_suffix(&**hash)?.strip_suffix('-'));
            deployment.map(|name| ("Deployment", name))
        }
        "Job" => cron_job(name).map(|name| ("CronJob", name)),
        _ => None,
    };
    Some(above.unwrap_or((kind, name)))
}

/// A cron job gives its jobs its name and the time of the schedule: minutes since 1970, in older versions seconds
/// (`pkg/controller/cronjob/utils.go`).
fn cron_job(job: &str) -> Option<&str> {
    let (name, time) = job.rsplit_once('-')?;
    let is_time = matches!(time.len(), 8 | 10) && time.bytes().all(|byte| byte.is_ascii_digit());
    (is_time && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::OwnerReference;

    #[test]
    fn the_owner_is_the_one_that_people_have_made() {
        for (kind, name, hash, expected) in [
            (
                "ReplicaSet",
                "web-5d59d67564",
                Some("5d59d67564"),
                Some("Deployment web"),
            ),
            (
                "ReplicaSet",
                "a-b-5d59d67564",
                Some("5d59d67564"),
                Some("Deployment a-b"),
            ),
            (
                "ReplicaSet",
                "web-5d59d67564",
                None,
                Some("ReplicaSet web-5d59d67564"),
            ),
            ("ReplicaSet", "web", Some("5d59d67564"), Some("ReplicaSet web")),
            ("Job", "backup-29384756", None, Some("CronJob backup")),
            ("Job", "backup-1602873600", None, Some("CronJob backup")),
            ("Job", "backup-2024", None, Some("Job backup-2024")),
            ("Job", "backup-abcdefgh", None, Some("Job backup-abcdefgh")),
            ("DaemonSet", "alumet", None, Some("DaemonSet alumet")),
            ("StatefulSet", "db", None, Some("StatefulSet db")),
            ("Node", "n1", None, Some("Node n1")),
        ] {
            let by = |controller, name: &str| OwnerReference {
                kind: kind.to_owned(),
                name: name.to_owned(),
                controller,
            };
            let pod = ObjectMeta {
                owner_references: Some(vec![by(None, "other"), by(Some(true), name)]),
                labels: hash.map(|hash| [(TEMPLATE_HASH.to_owned(), hash.to_owned())].into()),
                ..ObjectMeta::default()
            };
            let told = owner(&pod).map(|(kind, name)| format!("{kind} {name}"));
            assert_eq!(told.as_deref(), expected);
        }
        assert_eq!(owner(&ObjectMeta::default()), None);
    }
}
