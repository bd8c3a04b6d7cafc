//! Control groups of this machine that are named as those of containers, and a container that a runtime runs.

#![expect(clippy::unwrap_used, reason = "helpers fail the test like the test itself")]
#![expect(clippy::print_stdout, reason = "a test says why it is skipped")]

mod podman;
mod runc;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use alumet_core::Consumer;
use alumet_core::output::{RecordedSample, Recording, RecordingOutput};
use alumet_core::pipeline::{Pipeline, PipelineBuilder};
use alumet_core::value::Value;
use alumet_plugin_containers::{Config, ContainersPlugin};
use alumet_reader_cgroupfs::testkit::OwnGroup;
use parking_lot::Mutex;

/// What children use is counted for all tests of this program together: one at a time.
static CHILDREN: Mutex<()> = Mutex::new(());

fn pipeline(config: &str) -> (Pipeline, Recording) {
    let config: Config = toml::from_str(config).unwrap();
    let output = RecordingOutput::new();
    let recording = output.recording();
    let mut builder = PipelineBuilder::new();
    builder.plugin::<ContainersPlugin>(config).unwrap();
    builder.output("recording", output);
    (builder.start().unwrap(), recording)
}

/// The CPU time of a group, in nanoseconds.
fn total(samples: &[RecordedSample], path: &str) -> u64 {
    let consumer = Consumer::ControlGroup { path: path.into() };
    let of_group = samples.iter().filter(|sample| {
        let kind = sample.series.attributes().get("kind").map(ToString::to_string);
        sample.series.metric.name == "cpu_time_delta"
            && *sample.series.consumer() == consumer
            && kind.as_deref() == Some("total")
    });
    let value = |sample: &RecordedSample| match sample.value {
        Value::U64(value) => value,
        _ => 0,
    };
    of_group.map(value).sum()
}

#[track_caller]
fn wait_until(mut is_so: impl FnMut() -> bool, otherwise: impl Fn() -> String) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(5), "{}", otherwise());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs a shell in a control group until it has been busy for some time.
fn be_busy(folder: &Path, milliseconds: u32) {
    let script = format!(
        "echo $$ > \"$0/cgroup.procs\"; until=$(($(date +%s%3N) + {milliseconds}));
         while [ $(date +%s%3N) -lt $until ]; do j=0; while [ $j -lt 3000 ]; do j=$((j+1)); done; done"
    );
    let status = Command::new("sh")
        .arg("-c")
        .arg(script)
        .arg(folder)
        .status()
        .unwrap();
    assert!(status.success());
}

fn cpu_of_children() -> Duration {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN).unwrap();
    let time = |value: nix::sys::time::TimeVal| {
        Duration::from_secs(value.tv_sec() as u64) + Duration::from_micros(value.tv_usec() as u64)
    };
    time(usage.user_time()) + time(usage.system_time())
}

#[test]
fn twenty_containers_of_300_ms_are_billed_to_their_end_although_polls_are_5_s_apart() {
    let _only = CHILDREN.lock();
    let Some(parent) = OwnGroup::make("containers") else {
        return;
    };
    let (pipeline, recording) = pipeline("poll_interval = '5s'\nhierarchy = 'v2'\nnames = 'never'");
    std::thread::sleep(Duration::from_millis(100));
    for number in 0..20 {
        let container = parent.child(&format!("docker-{number:064x}.scope"));
        let inner = container.child("init.scope");
        let before = cpu_of_children();
        be_busy(inner.folder(), 300);
        let used = (cpu_of_children() - before).as_nanos() as u64;
        // A runtime takes some time to clean up.
        std::thread::sleep(Duration::from_millis(30));
        drop((inner, container));
        let path = format!("{}/docker-{number:064x}.scope", parent.path());
        let billed = || total(&recording.samples(), &path);
        let is_right = || billed().abs_diff(used) * 100 <= used;
        wait_until(is_right, || {
            format!("container {number}: billed {} ns, used {used} ns", billed())
        });
        assert_eq!(total(&recording.samples(), &format!("{path}/init.scope")), 0);
    }
    assert!(pipeline.stop(Duration::from_secs(5)).is_complete());
}

#[test]
fn a_container_that_runc_runs_is_measured_under_its_id() {
    let _only = CHILDREN.lock();
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
    wait_until(named, || format!("nothing of {path}"));
    // It is busy all the time.
    wait_until(
        || total(&recording.samples(), path) > 300_000_000,
        || total(&recording.samples(), path).to_string(),
    );
    assert!(pipeline.stop(Duration::from_secs(5)).is_complete());
}

#[test]
fn podman_tells_the_names_of_containers_that_run_and_of_those_that_it_starts() {
    let _only = CHILDREN.lock();
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
    wait_until(
        || names(&first).last() == Some(&named("first")),
        || format!("{:?}", names(&first)),
    );
    let second = podman.run("second").unwrap();
    wait_until(
        || names(&second).last() == Some(&named("second")),
        || format!("{:?}", names(&second)),
    );
    assert!(pipeline.stop(Duration::from_secs(5)).is_complete());
}
