//! Control groups of this machine that are named as those of containers, and a container that a runtime runs.

#![expect(clippy::unwrap_used, reason = "helpers fail the test like the test itself")]
#![expect(clippy::print_stdout, reason = "a test says why it is skipped")]

mod podman;
mod runc;

use std::time::Duration;

use alumet_core::Consumer;
use alumet_core::output::{RecordedSample, Recording};
use alumet_core::pipeline::Pipeline;
use alumet_plugin_containers::ContainersPlugin;
use alumet_reader_cgroupfs::testkit::OwnGroup;
use alumet_shared_cgroup_source::testkit::{
    be_busy_in, cpu_time_at, cpu_time_of, pipeline_of, wait_until, wait_until_billed,
};

fn pipeline(config: &str) -> (Pipeline, Recording) {
    pipeline_of::<ContainersPlugin>(toml::from_str(config).unwrap())
}

#[track_caller]
fn must_become(is_so: impl FnMut() -> bool, otherwise: impl Fn() -> String) {
    let waited = wait_until(Duration::from_secs(5), is_so);
    assert!(waited.is_some(), "{}", otherwise());
}

#[test]
fn twenty_containers_of_300_ms_are_billed_to_their_end_although_polls_are_5_s_apart() {
    let Some(parent) = OwnGroup::make("containers") else {
        return;
    };
    let (pipeline, recording) = pipeline("poll_interval = '5s'\nhierarchy = 'v2'\nnames = 'never'");
    std::thread::sleep(Duration::from_millis(100));
    for number in 0..20 {
        let container = parent.child(&format!("docker-{number:064x}.scope"));
        let inner = container.child("init.scope");
        be_busy_in(inner.folder(), Duration::from_millis(300));
        // A runtime takes some time to clean up.
        std::thread::sleep(Duration::from_millis(30));
        let used = cpu_time_of(container.folder());
        drop((inner, container));
        let path = format!("{}/docker-{number:064x}.scope", parent.path());
        let billed = |path: &str| cpu_time_at(&recording.samples(), path);
        wait_until_billed(&path, used, || billed(&path));
        assert_eq!(billed(&format!("{path}/init.scope")), 0);
    }
    assert!(pipeline.stop(Duration::from_secs(5)).is_complete());
}

#[test]
fn a_container_that_runc_runs_is_measured_under_its_id() {
    let Some(container) = runc::Container::create() else {
        return;
    };
    let (pipeline, recording) = pipeline("poll_interval = '100ms'\nhierarchy = 'v1'\nnames = 'never'");
    container.run();
    let path = container.cgroup();
    let of_group = |sample: &RecordedSample| {
        *sample.series.consumer() == Consumer::ControlGroup { path: path.into() }
            && sample
                .series
                .attributes()
                .get("container_id")
                .is_some_and(|id| id.to_string() == container.id())
    };
    let named = || recording.samples().iter().any(of_group);
    must_become(named, || format!("nothing of {path}"));
    // It is busy all the time.
    must_become(
        || cpu_time_at(&recording.samples(), path) > 300_000_000,
        || cpu_time_at(&recording.samples(), path).to_string(),
    );
    assert!(pipeline.stop(Duration::from_secs(5)).is_complete());
}

#[test]
fn podman_tells_the_names_of_containers_that_run_and_of_those_that_it_starts() {
    let Some(mut podman) = podman::Podman::start() else {
        return;
    };
    let first = match podman.run("first") {
        Ok(path) => path,
        Err(error) => {
            println!("skipped: podman cannot run a container here: {error}");
            return;
        }
    };
    let socket = podman.socket();
    let config = format!(
        "poll_interval = '50ms'\nhierarchy = 'v1'\nsockets = {{ docker = [], podman = ['{socket}'] }}"
    );
    let (pipeline, recording) = pipeline(&config);
    let names = |path: &str| {
        let consumer = Consumer::ControlGroup { path: path.into() };
        let samples = recording.samples();
        let of_group = samples
            .iter()
            .filter(|sample| *sample.series.consumer() == consumer);
        let mut names: Vec<_> = of_group
            .map(|sample| {
                let attributes = sample.series.attributes();
                ["container", "compose_project", "runtime"]
                    .map(|key| attributes.get(key).map(ToString::to_string).unwrap_or_default())
            })
            .collect();
        names.dedup();
        names
    };
    let named = |name: &str| [name, "shop", "podman"].map(str::to_owned);
    must_become(
        || names(&first).last() == Some(&named("first")),
        || format!("{:?}", names(&first)),
    );
    let second = podman.run("second").unwrap();
    must_become(
        || names(&second).last() == Some(&named("second")),
        || format!("{:?}", names(&second)),
    );
    assert!(pipeline.stop(Duration::from_secs(5)).is_complete());
}
