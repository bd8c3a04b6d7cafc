//! Trees of both versions, through the whole plugin.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests, too")]

use std::collections::BTreeMap;

use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{Plugin, StartContext, StartError};
use alumet_core::testkit::{Bench, FakeRoot};
use alumet_plugin_slurm::{Config, SlurmPlugin};
use alumet_reader_cgroupfs::CgroupPath;
use alumet_shared_cgroup_source::config::MeasurementConfig;
use alumet_shared_cgroup_source::testkit::{annotated, named};
use alumet_shared_cgroup_source::{CgroupMeasurement, Resolution, Resolver};

const SCOPE: &str = "/system.slice/slurmstepd.scope";

fn v2(groups: &[&str]) -> FakeRoot {
    let root = FakeRoot::new();
    root.write("proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
    for group in groups {
        root.write(
            format!("sys/fs/cgroup{group}/cpu.stat"),
            "usage_usec 9\nuser_usec 9\nsystem_usec 0\n",
        );
    }
    root
}

fn v1(groups: &[&str]) -> FakeRoot {
    let root = FakeRoot::new();
    root.write(
        "proc/self/mounts",
        "cgroup /sys/fs/cgroup/cpuacct cgroup rw,cpuacct 0 0\ncgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n",
    );
    for group in groups {
        root.write(format!("sys/fs/cgroup/cpuacct{group}/cpuacct.usage"), "9\n");
        root.write(
            format!("sys/fs/cgroup/memory{group}/memory.usage_in_bytes"),
            "5\n",
        );
    }
    root
}

fn bench(config: &str, root: &FakeRoot) -> Bench {
    let config: Config = toml::from_str(config).unwrap();
    Bench::start::<SlurmPlugin>(config, root.path()).unwrap()
}

fn expected(groups: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(path, attributes): &(&str, &str)| ((*path).to_owned(), (*attributes).to_owned());
    groups.iter().map(owned).collect()
}

#[test]
fn each_level_of_version_2_adds_its_parts_with_attributes_of_their_own() {
    let job = format!("{SCOPE}/job_7");
    let at = |below: &str| format!("{job}{below}");
    let (step, user, slurm) = (at("/step_0"), at("/step_0/user"), at("/step_0/slurm"));
    let (task, inside) = (at("/step_0/user/task_1"), at("/step_0/user/task_1/own"));
    let groups = [
        "/",
        "/system.slice",
        SCOPE,
        &job,
        &step,
        &user,
        &slurm,
        &task,
        &inside,
    ];
    let parts = [
        ("job", &job, "job_id=7"),
        ("step", &step, "job_id=7 step=0"),
        ("substep", &user, "job_id=7 step=0 sub_step=user"),
        ("substep", &slurm, "job_id=7 step=0 sub_step=slurm"),
        ("task", &task, "job_id=7 step=0 sub_step=user task=1"),
    ];
    for (count, level) in [(1, "job"), (2, "step"), (4, "substep"), (5, "task")] {
        let root = v2(&groups);
        let mut bench = bench(&format!("jobs_monitoring_level = '{level}'"), &root);
        let all: Vec<_> = parts
            .iter()
            .map(|(_, path, attributes)| (path.as_str(), *attributes))
            .collect();
        assert_eq!(
            named(&bench.poll("slurm").unwrap()),
            expected(&all[..count]),
            "{level}"
        );
    }
}

#[test]
fn jobs_of_version_1_and_of_several_slurmds_tell_their_owner() {
    let root = v1(&[
        "/slurm_n1/uid_1000/job_7/step_batch/task_0",
        "/slurm_n2/uid_1001/job_8",
        "/slurm_n2/uid_1001",
    ]);
    let mut bench = bench("jobs_monitoring_level = 'task'", &root);
    let expected = expected(&[
        (
            "/slurm_n1/uid_1000/job_7/step_batch/task_0",
            "job_id=7 step=batch task=0 user_id=1000",
        ),
        ("/slurm_n2/uid_1001/job_8", "job_id=8 user_id=1001"),
    ]);
    assert_eq!(named(&bench.poll("slurm").unwrap()), expected);
}

#[test]
fn jobs_and_steps_that_come_later_are_measured() {
    let root = v2(&[]);
    let mut bench = bench("jobs_monitoring_level = 'step'", &root);
    assert!(named(&bench.poll("slurm").unwrap()).is_empty());
    let step = format!("{SCOPE}/n1_slurmstepd.scope/job_1/step_0+1");
    root.write(
        format!("sys/fs/cgroup{step}/cpu.stat"),
        "usage_usec 5\nuser_usec 5\nsystem_usec 0\n",
    );
    let samples = bench.poll("slurm-discovery").unwrap();
    assert_eq!(named(&samples), expected(&[(&step, "job_id=1 step=0+1")]));
}

#[test]
fn everything_is_measured_when_that_is_wanted() {
    let job = format!("{SCOPE}/job_7");
    let root = v2(&["/", "/user.slice", &job, &format!("{job}/step_0")]);
    let mut bench = bench("ignore_non_jobs = false", &root);
    let expected = expected(&[("/", ""), ("/user.slice", ""), (&job, "job_id=7")]);
    assert_eq!(named(&bench.poll("slurm").unwrap()), expected);
}

#[test]
fn a_job_is_read_when_the_last_process_of_one_of_its_tasks_ends() {
    let job = format!("{SCOPE}/job_7");
    let task = format!("{job}/step_0/user/task_0");
    let root = v2(&[&job, &task, "/user.slice/own"]);
    let events = |group: &str, populated: u8| {
        let events = format!("populated {populated}\nfrozen 0\n");
        root.write(format!("sys/fs/cgroup{group}/cgroup.events"), events);
    };
    [&job, &task, "/user.slice/own"]
        .iter()
        .for_each(|group| events(group, 1));
    let mut bench = bench("", &root);
    bench.poll("slurm").unwrap();
    for (group, is_of_job) in [("/user.slice/own", false), (&task, true)] {
        events(group, 0);
        let samples = bench.poll("slurm-discovery").unwrap();
        assert_eq!(named(&samples).contains_key(&job), is_of_job, "{group}");
    }
}

/// The plugin beside one that measures all that nobody claims.
struct Both {
    _slurm: SlurmPlugin,
}

struct Everything;

impl Resolver for Everything {
    fn resolve(&mut self, _: &CgroupPath) -> Resolution {
        Resolution::Measure {
            attributes: alumet_core::Attributes::EMPTY,
        }
    }
}

impl Plugin for Both {
    const ID: &'static str = "both";
    const SUMMARY: &'static str = "Two plugins.";
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        SlurmPlugin::metrics()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let everything = CgroupMeasurement {
            name: "all",
            poll_interval: config.poll_interval,
            cpu_percent_base: config.cpu_percent_base,
            config: MeasurementConfig::default(),
            claim: None,
            annotate_foreign: false,
        };
        everything.start(Everything, alumet)?;
        let _slurm = SlurmPlugin::start(config, alumet)?;
        Ok(Self { _slurm })
    }
}

#[test]
fn what_is_in_a_job_is_left_to_this_plugin_at_every_level() {
    let job = format!("{SCOPE}/job_7");
    let root = v2(&[
        SCOPE,
        &job,
        &format!("{job}/step_0"),
        &format!("{job}/step_0/user/task_0/own"),
    ]);
    for (text, others) in [("", &[(SCOPE, "")][..]), ("ignore_non_jobs = false", &[])] {
        let config: Config = toml::from_str(text).unwrap();
        let mut bench = Bench::start::<Both>(config, root.path()).unwrap();
        assert_eq!(named(&bench.poll("all").unwrap()), expected(others), "{text}");
    }
}

#[test]
fn samples_of_others_get_the_attributes_of_the_job_even_when_nothing_is_measured() {
    for more in ["", "disable_sources = true"] {
        let job = format!("{SCOPE}/job_7");
        let root = v2(&[&job]);
        root.write("proc/stat", "btime 1\n");
        let mut bench = bench(&format!("annotate_foreign_measurements = true\n{more}"), &root);
        let samples = bench.poll("slurm").unwrap();
        assert_eq!(named(&samples).is_empty(), !more.is_empty());
        assert_eq!(annotated(&mut bench, &format!("{job}/step_0")), "{job_id=7}");
    }
}

#[test]
fn nothing_is_measured_when_sources_are_disabled() {
    assert_eq!(
        bench("disable_sources = true", &v2(&[])).sources(),
        Vec::<&str>::new()
    );
}
