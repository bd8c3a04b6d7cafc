//! Whose control group it is, as far as that is known.

use std::sync::Arc;
use std::time::Duration;

use alumet_core::Attributes;
use alumet_core::time::{Clock, Monotonic};
use alumet_reader_cgroupfs::CgroupPath;
use alumet_reader_cgroupfs::layout::pod::{self, Container, Part, PodGroup};
use alumet_shared_cgroup_source::{Claim, Resolution, Resolver, Wake};
use hashbrown::HashMap;

use crate::directory::Directory;

/// Gives the groups of pods, and of their containers if these are wanted, their attributes.
pub(crate) struct PodResolver {
    pub(crate) directory: Arc<Directory>,
    /// Where pods are looked for.
    pub(crate) below: CgroupPath,
    pub(crate) containers: bool,
    pub(crate) qos_class: bool,
    pub(crate) clock: Arc<dyn Clock>,
    /// The containers without a name in pods that have one, and since when.
    pub(crate) nameless: HashMap<Box<str>, Monotonic>,
}

/// How long it can take until the status of a pod has a container that runs already. What has no name then is the sandbox, of
/// which the API does not tell.
const STATUS_LATE: Duration = Duration::from_secs(60);

/// The groups of pods below `below`, with all that is in them.
pub(crate) fn claim(below: CgroupPath) -> Claim {
    Arc::new(move |path| parse(&below, path).is_some())
}

fn parse<'a>(below: &CgroupPath, path: &'a CgroupPath) -> Option<PodGroup<'a>> {
    (below == path || below.contains(path))
        .then(|| pod::parse(path))
        .flatten()
}

impl Resolver for PodResolver {
    fn resolve(&mut self, cgroup: &CgroupPath) -> Resolution {
        let Some(group) = parse(&self.below, cgroup) else {
            return Resolution::Ignore;
        };
        match group.part {
            Part::Whole => self.pod(&group),
            Part::Container(container) if self.containers || !container.is_in_pod => {
                self.container(&group, container)
            }
            Part::Container(_) | Part::Other => Resolution::Ignore,
        }
    }

    fn wakes(&mut self, wake: Wake) {
        self.directory.wakes(wake);
    }
}

impl PodResolver {
    fn pod(&self, group: &PodGroup<'_>) -> Resolution {
        self.directory.ask(&group.uid, |known| match known {
            Ok(pod) => {
                let attributes = self.with_class(pod.attributes.clone(), group);
                (Resolution::Measure { attributes }, true)
            }
            Err(missing) => {
                let attributes = self.with_class(self.directory.naming.by_uid(&group.uid), group);
                (Resolution::Provisional { attributes, missing }, false)
            }
        })
    }

    fn container(&mut self, group: &PodGroup<'_>, container: Container<'_>) -> Resolution {
        let Container { id, is_in_pod, .. } = container;
        let (attributes, missing, is_known) = self.directory.ask(&group.uid, |known| {
            let (attributes, name, missing) = match known {
                Ok(pod) => {
                    let mut containers = pod.containers.iter();
                    let found = containers.find(|(known, _)| **known == *id);
                    // Names are not kept where they are not wanted, and this group stands for the pod.
                    let is_missing = found.is_none() && self.containers;
                    let missing = is_missing.then_some("the pod has no container of this id");
                    (pod.attributes.clone(), found.map(|(_, name)| &**name), missing)
                }
                Err(missing) => (self.directory.naming.by_uid(&group.uid), None, Some(missing)),
            };
            let attributes = attributes.with("container", name.unwrap_or(id));
            let attributes = self.with_class(attributes, group);
            ((attributes, missing, known.is_ok()), missing.is_none())
        });
        if let Some(missing) = missing
            && !(is_known && self.is_sandbox(id))
        {
            return Resolution::Provisional { attributes, missing };
        }
        self.nameless.remove(id);
        match missing {
            Some(_) if is_in_pod => Resolution::Ignore,
            _ => Resolution::Measure { attributes },
        }
    }

    /// Whether nobody has named the container for so long that it is none.
    fn is_sandbox(&mut self, id: &str) -> bool {
        let now = self.clock.now().monotonic;
        if let Some(since) = self.nameless.get(id) {
            return now.since(*since) >= STATUS_LATE;
        }
        // Of those that have ended meanwhile, nobody has told.
        self.nameless
            .retain(|_, since| now.since(*since) < STATUS_LATE * 10);
        self.nameless.insert(id.into(), now);
        false
    }

    fn with_class(&self, attributes: Attributes, group: &PodGroup<'_>) -> Attributes {
        match self.qos_class {
            true => attributes.with("qos_class", group.qos.name()),
            false => attributes,
        }
    }
}

#[cfg(test)]
mod tests {
    use alumet_core::testkit::ManualClock;

    use super::*;
    use crate::config::Config;
    use crate::naming::Naming;
    use crate::object::Pod;

    const POD: &str = "/kubepods/burstable/pod5f39f6b0-7a67-4b32-9a8e-0c1d2e3f4a5b";

    fn resolver(config: &str, clock: &ManualClock) -> PodResolver {
        let config: Config = toml::from_str(config).unwrap();
        PodResolver {
            directory: Arc::new(Directory::new(Naming::new(&config, "n1".to_owned()))),
            below: config.pods_below().unwrap(),
            containers: config.annotate_containers,
            qos_class: config.qos_class,
            clock: Arc::new(clock.clone()),
            nameless: HashMap::new(),
        }
    }

    fn pod(containers: &[(&str, u8)]) -> Pod {
        let containers: Vec<_> = containers
            .iter()
            .map(|(name, digit)| serde_json::json!({"name": name, "containerID": format!("containerd://{}", id(*digit))}))
            .collect();
        serde_json::from_value(serde_json::json!({
            "metadata": {"uid": "5f39f6b0-7a67-4b32-9a8e-0c1d2e3f4a5b", "name": "web", "namespace": "shop"},
            "status": {"containerStatuses": containers},
        }))
        .unwrap()
    }

    fn id(digit: u8) -> String {
        digit.to_string().repeat(64)
    }

    /// `kind key=value … (missing)`.
    fn told(resolver: &mut PodResolver, path: &str) -> String {
        let pairs = |attributes: &Attributes| {
            let pairs = attributes
                .iter()
                .filter(|(key, _)| *key != "uid" && *key != "node");
            pairs
                .map(|(key, value)| format!(" {key}={value}"))
                .collect::<String>()
        };
        match resolver.resolve(&path.parse().unwrap()) {
            Resolution::Ignore => "ignore".to_owned(),
            Resolution::Later => "later".to_owned(),
            Resolution::Measure { attributes } => format!("measure{}", pairs(&attributes)),
            Resolution::Provisional { attributes, missing } => {
                format!("provisional{} ({missing})", pairs(&attributes))
            }
        }
    }

    #[test]
    fn a_pod_has_its_uid_first_and_its_name_as_soon_as_that_is_known() {
        let mut resolver = resolver("qos_class = true", &ManualClock::new());
        assert_eq!(
            told(&mut resolver, POD),
            "provisional qos_class=Burstable (the pods have not been listed yet)"
        );
        resolver.directory.fails("the server is away");
        assert_eq!(
            told(&mut resolver, POD),
            "provisional qos_class=Burstable (the server is away)"
        );
        resolver.directory.replace(&[pod(&[])]);
        assert_eq!(
            told(&mut resolver, POD),
            "measure name=web namespace=shop qos_class=Burstable"
        );
        assert_eq!(told(&mut resolver, "/user.slice"), "ignore");
        assert_eq!(told(&mut resolver, &format!("{POD}/{}", id(1))), "ignore");
        resolver.directory.remove(&pod(&[]));
        assert!(told(&mut resolver, POD).contains("(the pod is not listed yet)"));
    }

    #[test]
    fn containers_are_told_from_their_pod_and_the_sandbox_is_none_of_them() {
        let clock = ManualClock::new();
        let mut resolver = resolver("annotate_containers = true", &clock);
        let [web, sandbox] = [1, 2].map(|digit| format!("{POD}/{}", id(digit)));
        assert_eq!(
            told(&mut resolver, &web),
            format!(
                "provisional container={} (the pods have not been listed yet)",
                id(1)
            )
        );
        // The sandbox is there long before the first container.
        resolver.directory.replace(&[pod(&[])]);
        let nameless = format!(
            "provisional container={} name=web namespace=shop (the pod has no container of this id)",
            id(2)
        );
        assert_eq!(told(&mut resolver, &sandbox), nameless);
        clock.advance(Duration::from_secs(59));
        assert_eq!(told(&mut resolver, &sandbox), nameless);
        assert!(told(&mut resolver, &web).starts_with("provisional"));
        resolver.directory.insert(&pod(&[("server", 1)]));
        assert_eq!(
            told(&mut resolver, &web),
            "measure container=server name=web namespace=shop"
        );
        clock.advance(Duration::from_secs(1));
        assert_eq!(told(&mut resolver, &sandbox), "ignore");
        assert_eq!(told(&mut resolver, &format!("{web}/below")), "ignore");
    }

    #[test]
    fn a_container_that_is_not_in_its_pod_is_measured_in_its_place() {
        let clock = ManualClock::new();
        let path = format!(
            "/system.slice/kubepods-pod5f39f6b0_7a67_4b32_9a8e_0c1d2e3f4a5b.slice:cri-containerd:{}",
            id(1)
        );
        for (config, container) in [("", &*id(1)), ("annotate_containers = true", "server")] {
            let mut resolver = resolver(config, &clock);
            assert!(told(&mut resolver, &path).starts_with("provisional container=1"));
            resolver.directory.replace(&[pod(&[("server", 1)])]);
            let expected = format!("measure container={container} name=web namespace=shop");
            assert_eq!(told(&mut resolver, &path), expected);
        }
    }

    #[test]
    fn only_what_is_below_the_chosen_group_is_measured_and_claimed() {
        let mut resolver = resolver("path = '/sys/fs/cgroup/kubepods/'", &ManualClock::new());
        let claim = claim(resolver.below.clone());
        let elsewhere = format!("/docker/1{POD}");
        for (path, is_ours) in [(POD, true), (&*elsewhere, false), ("/kubepods", false)] {
            assert_eq!(told(&mut resolver, path) != "ignore", is_ours, "{path}");
            assert_eq!(claim(&path.parse().unwrap()), is_ours, "{path}");
        }
        assert!(
            claim(&format!("{POD}/x/y").parse().unwrap()),
            "nobody else measures parts of pods"
        );
    }

    #[test]
    fn whoever_asked_is_woken_once_something_is_known() {
        use std::sync::atomic::{AtomicU32, Ordering};
        let mut resolver = resolver("", &ManualClock::new());
        let woken = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&woken);
        resolver.wakes(Arc::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        }));
        let directory = Arc::clone(&resolver.directory);
        directory.insert(&Pod::default());
        assert_eq!(woken.load(Ordering::Relaxed), 0, "nobody has asked");
        told(&mut resolver, POD);
        directory.insert(&pod(&[]));
        directory.insert(&pod(&[]));
        assert_eq!(woken.load(Ordering::Relaxed), 1);
    }
}
