//! One tree for several plugins, and resolvers that take their time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use alumet_core::Attributes;
use alumet_core::duration::HumanDuration;
use alumet_core::plugin::{Plugin, StartContext, StartError};
use alumet_core::services::Services;
use alumet_core::testkit::{Bench, FakeRoot};
use alumet_core::value::Value;
use alumet_reader_cgroupfs::CgroupPath;
use alumet_reader_cgroupfs::watch::Change;
use alumet_shared_cgroup_source::config::{CpuPercentBase, HierarchyChoice, MeasurementConfig};
use alumet_shared_cgroup_source::tree::TreeEvent;
use alumet_shared_cgroup_source::{CgroupMeasurement, CgroupTree, Resolution, Resolver};

fn machine() -> FakeRoot {
    let root = FakeRoot::new();
    root.write("proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
    root.write(
        "sys/fs/cgroup/old/cpu.stat",
        "usage_usec 9\nuser_usec 9\nsystem_usec 0\n",
    );
    root
}

#[expect(clippy::unwrap_used, reason = "the functions that tests share are tests, too")]
fn shared(services: &Services, root: &Path) -> Arc<CgroupTree> {
    CgroupTree::shared(services, root).unwrap()
}

/// The names of what appeared, with a plus for what is new.
fn appeared(events: &[TreeEvent]) -> Vec<String> {
    let appeared = events.iter().filter_map(|event| match event {
        TreeEvent::Exists { path, .. } => Some(path.to_string()),
        TreeEvent::Changed(Change::Appeared { path, .. }) => Some(format!("+{path}")),
        _ => None,
    });
    appeared.collect()
}

#[test]
fn plugins_share_a_tree_and_each_hears_everything_once() {
    let (root, services) = (machine(), Services::default());
    let tree = shared(&services, root.path());
    assert!(Arc::ptr_eq(&tree, &shared(&services, root.path())));
    let mut early = tree.subscribe(HierarchyChoice::Auto);
    let mut events = Vec::new();
    early.take(&mut events);
    assert_eq!(appeared(&events), ["/", "/old"]);
    std::fs::create_dir(root.at("sys/fs/cgroup/new")).unwrap();
    let mut late = tree.subscribe(HierarchyChoice::V2);
    for (subscriber, expected) in [(&mut early, &["+/new"][..]), (&mut late, &["/", "/new", "/old"])] {
        events.clear();
        subscriber.take(&mut events);
        assert_eq!(appeared(&events), expected);
        events.clear();
        subscriber.take(&mut events);
        assert!(events.is_empty());
    }
    std::fs::remove_dir(root.at("sys/fs/cgroup/new")).unwrap();
    late.take(&mut events);
    assert!(matches!(
        events[..],
        [TreeEvent::Changed(Change::Vanished { .. })]
    ));
}

#[test]
fn whoever_wants_a_hierarchy_that_is_not_there_hears_nothing_and_others_do() {
    let (root, services) = (machine(), Services::default());
    let tree = shared(&services, root.path());
    let (mut v1, mut v2) = (
        tree.subscribe(HierarchyChoice::V1),
        tree.subscribe(HierarchyChoice::V2),
    );
    let mut events = Vec::new();
    v1.take(&mut events);
    assert!(events.is_empty());
    v2.take(&mut events);
    assert!(!events.is_empty());
    root.write("proc/self/mounts", "");
    events.clear();
    v2.take(&mut events);
    assert!(matches!(events[..], [TreeEvent::Unmounted]));
}

#[test]
fn a_new_group_wakes_those_who_want_to_be_woken() {
    let (root, services) = (machine(), Services::default());
    let tree = shared(&services, root.path());
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let wake = Arc::new(move || {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let mut subscription = tree.subscribe(HierarchyChoice::Auto);
    subscription.wakes(wake);
    std::thread::sleep(Duration::from_millis(100));
    subscription.take(&mut Vec::new());
    let before = calls.load(Ordering::Relaxed);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(calls.load(Ordering::Relaxed), before, "nothing happened");
    std::fs::create_dir(root.at("sys/fs/cgroup/new")).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(calls.load(Ordering::Relaxed) > before);
}

/// A plugin whose resolver knows the answer at the third question.
struct Slow;

#[derive(Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Empty {}

struct Questions(u32);

impl Resolver for Questions {
    fn resolve(&mut self, cgroup: &CgroupPath) -> Resolution {
        if cgroup.as_bytes() != b"/job" {
            return Resolution::Ignore;
        }
        self.0 += 1;
        match self.0 {
            ..3 => Resolution::Later,
            _ => Resolution::Measure {
                attributes: Attributes::EMPTY.with("job_id", 7_u64),
            },
        }
    }
}

impl Plugin for Slow {
    const ID: &'static str = "slow";
    const SUMMARY: &'static str = "Answers late.";
    type Config = Empty;

    fn start(_: Empty, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        measurement("jobs").start(Questions(0), alumet)?;
        Ok(Self)
    }
}

#[test]
fn a_group_that_is_resolved_late_is_billed_from_its_birth_with_its_attributes() {
    let root = machine();
    let mut bench = Bench::start::<Slow>(Empty {}, root.path()).unwrap();
    assert!(bench.poll("jobs").unwrap().is_empty());
    root.write(
        "sys/fs/cgroup/job/cpu.stat",
        "usage_usec 5\nuser_usec 2\nsystem_usec 3\n",
    );
    assert!(bench.poll("jobs-discovery").unwrap().is_empty());
    assert!(bench.poll("jobs").unwrap().is_empty());
    let samples = bench.poll("jobs").unwrap();
    let total: Vec<_> = samples
        .iter()
        .filter(|sample| sample.series.attributes().to_string().contains("total"))
        .collect();
    // A 0 at the last look before its birth, and all that it used since.
    let values: Vec<_> = total.iter().map(|sample| sample.value).collect();
    assert_eq!(values, [Value::U64(0), Value::U64(5000)]);
    assert_eq!(
        total[0]
            .series
            .attributes()
            .get("job_id")
            .map(ToString::to_string),
        Some("7".to_owned())
    );
}

/// A plugin that knows the id of a pod at once and its name later, and leaves nothing of pods to others.
struct Pods;

/// Knows the name as soon as somebody asked three times.
struct Naming(u32);

impl Resolver for Naming {
    fn resolve(&mut self, cgroup: &CgroupPath) -> Resolution {
        if !cgroup.as_bytes().starts_with(b"/pod") {
            return Resolution::Ignore;
        }
        let attributes = Attributes::EMPTY.with("uid", "1");
        self.0 += 1;
        match self.0 {
            ..3 => Resolution::Provisional {
                attributes,
                missing: "the name",
            },
            3 => Resolution::Measure {
                attributes: attributes.with("name", "web"),
            },
            _ => panic!("nobody is asked after the final answer"),
        }
    }
}

fn measurement(name: &'static str) -> CgroupMeasurement {
    CgroupMeasurement {
        name,
        poll_interval: HumanDuration::from_secs(1),
        cpu_percent_base: CpuPercentBase::Core,
        config: MeasurementConfig::default(),
        claim: None,
        annotate_foreign: false,
    }
}

impl Plugin for Pods {
    const ID: &'static str = "pods";
    const SUMMARY: &'static str = "Names pods.";
    type Config = Empty;

    fn start(_: Empty, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        // The general one first, as the order of plugins may be.
        measurement("all").start(Everything, alumet)?;
        let pods = CgroupMeasurement {
            claim: Some(Arc::new(|path: &CgroupPath| path.as_bytes().starts_with(b"/pod"))),
            ..measurement("pods")
        };
        pods.start(Naming(0), alumet)?;
        Ok(Self)
    }
}

struct Everything;

impl Resolver for Everything {
    fn resolve(&mut self, _: &CgroupPath) -> Resolution {
        Resolution::Measure {
            attributes: Attributes::EMPTY,
        }
    }
}

fn use_cpu(root: &FakeRoot, group: &str, micros: u64) {
    root.write(
        format!("sys/fs/cgroup/{group}/cpu.stat"),
        format!("usage_usec {micros}\nuser_usec {micros}\nsystem_usec 0\n"),
    );
}

#[test]
fn a_group_is_measured_before_its_name_is_known_and_nothing_of_it_is_lost_or_doubled() {
    let root = machine();
    let mut bench = Bench::start::<Pods>(Empty {}, root.path()).unwrap();
    for source in ["all", "pods"] {
        bench.poll(source).unwrap();
    }
    let mut by_name = std::collections::BTreeMap::<String, u64>::new();
    let mut unresolved = Vec::new();
    for micros in [5, 7, 12, 20] {
        use_cpu(&root, "pod1", micros);
        use_cpu(&root, "old", 9 + micros);
        for source in ["all", "pods"] {
            for sample in bench.poll(source).unwrap() {
                let attributes = sample.series.attributes();
                let is_total = attributes
                    .get("kind")
                    .is_some_and(|kind| kind.to_string() == "total");
                let Value::U64(value) = sample.value else { continue };
                if sample.series.metric.name == "cgroup_unresolved" {
                    unresolved.push((attributes.get("reason").unwrap().to_string(), value));
                }
                if sample.series.metric.name == "cpu_time_delta" && is_total {
                    let name = attributes.get("name").or(attributes.get("uid"));
                    let whose = format!(
                        "{} {}",
                        sample.series.consumer().id(),
                        name.map_or_else(String::new, ToString::to_string)
                    );
                    *by_name.entry(whose).or_default() += value;
                }
            }
        }
    }
    let of = |whose: &str| by_name.get(whose).copied();
    assert_eq!(
        of("/pod1 "),
        None,
        "the general plugin leaves it alone: {by_name:?}"
    );
    let (before, after) = (of("/pod1 1").unwrap(), of("/pod1 web").unwrap());
    assert_eq!((before, before + after), (7000, 20_000));
    assert!(of("/old ").is_some());
    let name = || "the name".to_owned();
    assert_eq!(unresolved, [(name(), 1), (name(), 1), (name(), 0), (name(), 0)]);
}
