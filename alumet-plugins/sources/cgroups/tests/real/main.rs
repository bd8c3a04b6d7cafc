//! Control groups of this machine, in a pipeline that runs.

#![expect(clippy::unwrap_used, reason = "helpers fail the test like the test itself")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;
use std::time::{Duration, Instant};

use alumet_core::Consumer;
use alumet_core::duration::HumanDuration;
use alumet_core::output::{RecordedSample, Recording};
use alumet_core::pipeline::Pipeline;
use alumet_core::testkit::Bench;
use alumet_plugin_cgroups::{CgroupsPlugin, Config};
use alumet_reader_cgroupfs::testkit::OwnGroup;
use alumet_shared_cgroup_source::testkit::{
    cpu_time, cpu_time_at, cpu_time_of, pipeline_of, run_in, wait_until, wait_until_billed,
};

const LONG: Duration = Duration::from_secs(3600);

/// The configuration that measures a group, and all below it.
fn config_of(group: &OwnGroup) -> Config {
    let text = format!(
        "hierarchy = 'v2'\ncpu_percent_base = 'core'\ninclude = ['{}/**']",
        group.path()
    );
    toml::from_str(&text).unwrap()
}

/// A pipeline whose polls are an hour apart: what is recorded comes from events.
fn pipeline(config: Config) -> (Pipeline, Recording) {
    let poll_interval = HumanDuration(LONG);
    let (pipeline, recording) = pipeline_of::<CgroupsPlugin>(Config {
        poll_interval,
        ..config
    });
    pipeline
        .control()
        .trigger(&"sources/cgroups/cgroups".parse().unwrap())
        .unwrap();
    (pipeline, recording)
}

fn is_known(recording: &Recording, path: &str) -> bool {
    let consumer = Consumer::ControlGroup { path: path.into() };
    recording
        .samples()
        .iter()
        .any(|sample| *sample.series.consumer() == consumer)
}

#[test]
fn a_new_group_is_measured_within_200_ms_although_polls_are_an_hour_apart() {
    let Some(group) = OwnGroup::make("new") else {
        return;
    };
    let (pipeline, recording) = pipeline(config_of(&group));
    for (round, pause_ms) in [0, 300, 5, 50].into_iter().enumerate() {
        std::thread::sleep(Duration::from_millis(pause_ms));
        let name = format!("job {round}");
        fs::create_dir(group.folder().join(&name)).unwrap();
        let path = format!("{}/{name}", group.path());
        let waited = wait_until(Duration::from_secs(5), || is_known(&recording, &path)).unwrap();
        assert!(waited < Duration::from_millis(200), "{waited:?}");
    }
    assert!(pipeline.stop(LONG).is_complete());
}

#[test]
fn what_a_job_used_until_its_end_is_billed_when_its_group_is_removed_right_after() {
    let Some(group) = OwnGroup::make("job") else {
        return;
    };
    let (pipeline, recording) = pipeline(config_of(&group));
    let job = group.child("job");
    let path = format!("{}/job", group.path());
    // Many processes far shorter than any interval.
    run_in(
        job.folder(),
        "for i in $(seq 300); do (j=0; while [ $j -lt 3000 ]; do j=$((j+1)); done); done",
    );
    std::thread::sleep(Duration::from_millis(60));
    let used = cpu_time_of(job.folder());
    drop(job);
    wait_until_billed(&path, used, || cpu_time_at(&recording.samples(), &path));
    assert!(pipeline.stop(LONG).is_complete());
    assert_eq!(pipeline.catalog().live_series(), 0);
}

#[test]
fn polls_agree_with_what_the_kernel_says_of_a_load() {
    let Some(group) = OwnGroup::make("load") else {
        return;
    };
    let mut bench = Bench::start_in_real_time::<CgroupsPlugin>(config_of(&group), "/").unwrap();
    bench.poll("cgroups").unwrap();
    let path = group.path().to_string();
    let mut samples = Vec::new();
    for _ in 0..4 {
        run_in(
            group.folder(),
            "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done",
        );
        samples.extend(bench.poll("cgroups").unwrap());
    }
    let total = |kind| cpu_time(&samples, kind, |series| series.consumer().id() == path);
    let billed = total("total");
    let used = cpu_time_of(group.folder());
    assert!(
        billed.abs_diff(used) * 1000 <= used,
        "billed {billed} ns, used {used} ns"
    );
    let parts = total("user") + total("system");
    assert!(parts.abs_diff(billed) <= 10_000, "the parts make the whole");
}

#[test]
fn a_group_that_is_made_anew_under_the_same_name_starts_anew() {
    let Some(group) = OwnGroup::make("anew") else {
        return;
    };
    let mut bench = Bench::start_in_real_time::<CgroupsPlugin>(config_of(&group), "/").unwrap();
    let path = format!("{}/x", group.path());
    bench.poll("cgroups").unwrap();
    for _ in 0..3 {
        let anew = group.child("x");
        run_in(anew.folder(), "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done");
        let usage = cpu_time_of(anew.folder());
        let samples = bench.poll("cgroups").unwrap();
        assert_eq!(cpu_time_at(&samples, &path), usage, "all of its life and no more");
        drop(anew);
    }
    let samples = bench.poll("cgroups").unwrap();
    assert!(!samples.iter().any(|sample| *sample.series.consumer()
        == Consumer::ControlGroup {
            path: path.as_str().into()
        }));
}

#[test]
fn any_name_that_the_kernel_allows_is_measured() {
    let Some(group) = OwnGroup::make("names") else {
        return;
    };
    let mut bench = Bench::start_in_real_time::<CgroupsPlugin>(config_of(&group), "/").unwrap();
    for (name, text) in [
        (&b"with blanks"[..], "with blanks"),
        (b"quo\"te's", "quo\"te's"),
        (b"comma,semi;eq=", "comma,semi;eq="),
        (b"back\\x2dslash", "back\\x2dslash"),
        (b"not utf-8 \xff", "not utf-8 %FF"),
        ("é🦀".as_bytes(), "é🦀"),
    ] {
        fs::create_dir(group.folder().join(OsStr::from_bytes(name))).unwrap();
        let path = format!("{}/{text}", group.path());
        let samples = bench.poll("cgroups-discovery").unwrap();
        let consumer = Consumer::ControlGroup {
            path: path.as_str().into(),
        };
        assert!(
            samples.iter().any(|sample| *sample.series.consumer() == consumer),
            "{path}"
        );
    }
}

#[test]
fn a_storm_of_groups_costs_no_series_no_descriptor_and_no_long_lived_group() {
    let Some(group) = OwnGroup::make("storm") else {
        return;
    };
    let (pipeline, recording) = pipeline(config_of(&group));
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    std::thread::sleep(Duration::from_millis(100));
    let series = pipeline.catalog().live_series();
    let before = descriptors();
    let start = Instant::now();
    let mut long_lived = Vec::new();
    for number in 0..1500_u32 {
        let folder = group.folder().join(format!("short-{number}"));
        fs::create_dir(&folder).unwrap();
        if number % 300 == 7 {
            let name = format!("long-{number}");
            fs::create_dir(group.folder().join(&name)).unwrap();
            long_lived.push(name);
        }
        let due = Duration::from_millis(2) * number;
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        fs::remove_dir(&folder).unwrap();
    }
    for name in &long_lived {
        let path = format!("{}/{name}", group.path());
        wait_until(Duration::from_secs(2), || is_known(&recording, &path)).unwrap();
    }
    for name in &long_lived {
        fs::remove_dir(group.folder().join(name)).unwrap();
    }
    let poll = "sources/cgroups/cgroups".parse().unwrap();
    pipeline.control().trigger(&poll).unwrap();
    // A series is replaced when a batch that names it is gone, so that some are still on their way.
    let is_calm = || pipeline.catalog().live_series() <= series && descriptors() <= before + 4;
    assert!(
        wait_until(Duration::from_secs(5), is_calm).is_some(),
        "{} series after {series}, {} descriptors after {before}",
        pipeline.catalog().live_series(),
        descriptors()
    );
    let status = pipeline.control().status().unwrap();
    assert!(pipeline.stop(LONG).is_complete(), "{status:?}");
}

#[test]
fn many_groups_are_measured_with_few_descriptors() {
    const CHILD: &str = "ALUMET_TEST_FEW_DESCRIPTORS";
    if std::env::var_os(CHILD).is_none() {
        let status = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "many_groups_are_measured_with_few_descriptors",
                "--nocapture",
            ])
            .env(CHILD, "1")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, 256, 256).unwrap();
    let Some(group) = OwnGroup::make("descriptors") else {
        return;
    };
    for number in 0..300 {
        fs::create_dir(group.folder().join(number.to_string())).unwrap();
    }
    let mut bench = Bench::start_in_real_time::<CgroupsPlugin>(config_of(&group), "/").unwrap();
    bench.poll("cgroups").unwrap();
    let samples = bench.poll("cgroups").unwrap();
    let is_total = |sample: &&RecordedSample| {
        sample.series.metric.name == "cpu_time_delta"
            && sample
                .series
                .attributes()
                .get("kind")
                .is_some_and(|kind| kind.to_string() == "total")
    };
    assert_eq!(samples.iter().filter(is_total).count(), 301);
    assert!(
        fs::File::open("/proc/self/stat").is_ok(),
        "something is left to the rest of the process"
    );
}
