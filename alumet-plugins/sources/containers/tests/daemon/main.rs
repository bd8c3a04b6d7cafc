//! The whole plugin on a machine that the test has made up, with engines that the test has in hand.

#![expect(clippy::unwrap_used, reason = "helpers fail the test like the test itself")]

mod engine;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use alumet_core::Consumer;
use alumet_core::output::{RecordedSample, Recording, RecordingOutput};
use alumet_core::pipeline::{Pipeline, PipelineBuilder};
use alumet_core::testkit::FakeRoot;
use alumet_core::value::Value;
use alumet_plugin_containers::{Config, ContainersPlugin};

use engine::{Engine, Manner};

/// A machine, the plugin at work on it, and what it has measured.
struct Machine {
    root: FakeRoot,
    recording: Recording,
    pipeline: Option<Pipeline>,
}

const SOCKET: &str = "run/docker.sock";

fn id(number: u32) -> String {
    format!("{number:064x}")
}

fn docker(number: u32) -> String {
    format!("/system.slice/docker-{}.scope", id(number))
}

impl Machine {
    fn new() -> Self {
        let root = FakeRoot::new();
        root.write("proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
        root.write("sys/devices/system/cpu/online", "0-1\n");
        root.write("sys/fs/cgroup/system.slice/cpu.stat", "usage_usec 0\n");
        Self {
            root,
            recording: RecordingOutput::new().recording(),
            pipeline: None,
        }
    }

    fn group(&self, path: &str, micros: u64) -> &Self {
        let text = format!("usage_usec {micros}\nuser_usec {micros}\nsystem_usec 0\n");
        self.root.write(format!("sys/fs/cgroup{path}/cpu.stat"), text);
        self
    }

    fn engine(&self, manner: Manner) -> Engine {
        Engine::listen(&self.root.at(SOCKET), manner)
    }

    fn start(&mut self, config: &str) {
        let config: Config =
            toml::from_str(&format!("poll_interval = '50ms'\nhierarchy = 'v2'\n{config}")).unwrap();
        let output = RecordingOutput::new();
        self.recording = output.recording();
        let mut builder = PipelineBuilder::new().root(self.root.path());
        builder.plugin::<ContainersPlugin>(config).unwrap();
        builder.output("recording", output);
        self.pipeline = Some(builder.start().unwrap());
    }

    fn samples_of(&self, path: &str) -> Vec<RecordedSample> {
        let consumer = Consumer::ControlGroup { path: path.into() };
        let mut samples = self.recording.samples();
        samples.retain(|sample| {
            let kind = sample.series.attributes().get("kind").map(ToString::to_string);
            *sample.series.consumer() == consumer
                && sample.series.metric.name == "cpu_time_delta"
                && kind.as_deref() == Some("total")
        });
        samples
    }

    /// The attributes that a group has had, each set once, in their order.
    fn names_of(&self, path: &str) -> Vec<String> {
        let text = |sample: &RecordedSample| {
            let attributes = sample.series.attributes().iter();
            let pairs = attributes
                .filter(|(key, _)| *key != "kind" && *key != "container_id")
                .map(|(key, value)| format!("{key}={value}"));
            pairs.collect::<Vec<_>>().join(" ")
        };
        let mut names: Vec<_> = self.samples_of(path).iter().map(text).collect();
        names.dedup();
        names
    }

    /// How many groups lack something, by what was said last.
    fn unresolved(&self) -> BTreeMap<String, u64> {
        let samples = self.recording.samples();
        let of_metric = samples
            .iter()
            .filter(|sample| sample.series.metric.name == "cgroup_unresolved");
        let pair = |sample: &RecordedSample| {
            let reason = sample.series.attributes().get("reason")?.to_string();
            match sample.value {
                Value::U64(value) => Some((reason, value)),
                _ => None,
            }
        };
        of_metric.filter_map(pair).collect()
    }

    /// Until the events are followed and the list has named the first container.
    #[track_caller]
    fn wait_until_it_listens_to(&self, engine: &Engine) {
        let names = || self.names_of(&docker(1));
        wait_until(
            || engine.listeners() == 1 && names().len() == 2,
            || format!("{} listeners, {:?}", engine.listeners(), names()),
        );
    }

    #[track_caller]
    fn wait_for_name(&self, path: &str, name: &str) {
        wait_until(
            || self.names_of(path).last().is_some_and(|last| last == name),
            || format!("{:?}", self.names_of(path)),
        );
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(pipeline) = self.pipeline.take() {
            let start = Instant::now();
            pipeline.stop(Duration::from_secs(5));
            assert!(
                start.elapsed() < Duration::from_secs(4),
                "an engine holds up the end"
            );
        }
    }
}

#[track_caller]
fn wait_until(mut is_so: impl FnMut() -> bool, otherwise: impl Fn() -> String) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(15), "{}", otherwise());
        std::thread::sleep(Duration::from_millis(5));
    }
}

const LISTED: &str = "compose_project=shop container=web image=nginx:1 runtime=docker";
const HAPPENED: &str = "compose_service=front container=web image=nginx:1 runtime=docker";
const UNNAMED: &str = "runtime=docker";

#[test]
fn containers_that_are_there_get_their_names_by_one_list_and_what_lies_within_is_not_measured_again() {
    let mut machine = Machine::new();
    let engine = machine.engine(Manner::Proper);
    engine.runs(&id(1), "web");
    machine
        .group(&docker(1), 5)
        .group(&format!("{}/init.scope", docker(1)), 5);
    machine.start("");
    machine.wait_for_name(&docker(1), LISTED);
    wait_until(
        || machine.unresolved().values().all(|count| *count == 0),
        String::new,
    );
    assert!(
        machine
            .samples_of(&format!("{}/init.scope", docker(1)))
            .is_empty()
    );
    assert!(machine.samples_of("/system.slice").is_empty());
    assert_eq!(
        (engine.requests("/containers/json"), engine.requests("/events")),
        (1, 1)
    );
}

#[test]
fn a_container_that_was_announced_has_its_name_from_its_first_sample_and_costs_no_request() {
    let mut machine = Machine::new();
    let engine = machine.engine(Manner::Proper);
    engine.runs(&id(1), "other");
    machine.group(&docker(1), 5);
    machine.start("");
    machine.wait_until_it_listens_to(&engine);
    for number in 2..30 {
        engine.happens("create", &id(number), "before");
        engine.happens("rename", &id(number), "web");
        std::thread::sleep(Duration::from_millis(20));
        machine.group(&docker(number), 5);
        engine.happens("start", &id(number), "web");
        machine.wait_for_name(&docker(number), HAPPENED);
        assert_eq!(machine.names_of(&docker(number)), [HAPPENED]);
    }
    assert_eq!(
        (engine.requests("/containers/json"), engine.requests("/events")),
        (1, 1)
    );
}

#[test]
fn a_container_that_is_announced_late_is_billed_once_under_both_names() {
    let mut machine = Machine::new();
    let engine = machine.engine(Manner::Proper);
    machine.group(&docker(1), 0);
    engine.runs(&id(1), "other");
    machine.start("");
    machine.wait_until_it_listens_to(&engine);
    machine.group(&docker(2), 300);
    wait_until(|| machine.names_of(&docker(2)) == [UNNAMED], String::new);
    machine.group(&docker(2), 700);
    engine.happens("start", &id(2), "web");
    machine.wait_for_name(&docker(2), HAPPENED);
    machine.group(&docker(2), 1000);
    let billed = || {
        let value = |sample: &RecordedSample| match sample.value {
            Value::U64(value) => value,
            _ => 0,
        };
        machine.samples_of(&docker(2)).iter().map(value).sum::<u64>()
    };
    wait_until(|| billed() == 1_000_000, || billed().to_string());
    assert_eq!(machine.names_of(&docker(2)), [UNNAMED, HAPPENED]);
    assert_eq!(engine.requests("/containers/json"), 1);
}

#[test]
fn a_container_that_no_event_tells_is_listed_again() {
    let mut machine = Machine::new();
    let engine = machine.engine(Manner::Proper);
    machine.group(&docker(1), 0);
    engine.runs(&id(1), "other");
    machine.start("");
    machine.wait_until_it_listens_to(&engine);
    engine.runs(&id(2), "web");
    machine.group(&docker(2), 5);
    machine.wait_for_name(&docker(2), LISTED);
    assert_eq!(
        (engine.requests("/containers/json"), engine.requests("/events")),
        (2, 1)
    );
}

#[test]
fn an_engine_that_restarts_is_asked_again_when_there_is_a_container_without_a_name() {
    let mut machine = Machine::new();
    let engine = machine.engine(Manner::Proper);
    engine.runs(&id(1), "web");
    machine.group(&docker(1), 5);
    machine.start("");
    machine.wait_for_name(&docker(1), LISTED);
    drop(engine);
    std::thread::sleep(Duration::from_millis(300));
    let engine = machine.engine(Manner::Proper);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(engine.requests("/"), 0, "all have names");
    engine.runs(&id(2), "web");
    machine.group(&docker(2), 5);
    machine.wait_for_name(&docker(2), LISTED);
    engine.cut_off();
    engine.runs(&id(3), "web");
    machine.group(&docker(3), 5);
    machine.wait_for_name(&docker(3), LISTED);
    assert_eq!(machine.names_of(&docker(1)), [UNNAMED, LISTED]);
    assert_eq!(
        (engine.requests("/containers/json"), engine.requests("/events")),
        (2, 2)
    );
}

#[test]
fn an_engine_that_misbehaves_leaves_ids_is_asked_ever_less_and_tells_names_once_it_works() {
    for manner in [
        Manner::Status(403),
        Manner::Nonsense,
        Manner::Noise,
        Manner::Hangs,
    ] {
        let mut machine = Machine::new();
        let engine = machine.engine(manner);
        engine.runs(&id(1), "web");
        machine.group(&docker(1), 5);
        machine.start("");
        wait_until(|| machine.names_of(&docker(1)) == [UNNAMED], String::new);
        std::thread::sleep(Duration::from_millis(2000));
        // The ticks go on as if nothing were.
        assert!(machine.samples_of(&docker(1)).len() > 20);
        assert_eq!(
            machine.unresolved(),
            BTreeMap::from([("the name of the container".to_owned(), 1)])
        );
        assert!(
            engine.requests("/containers/json") <= 4,
            "{}",
            engine.requests("/containers/json")
        );
        engine.set(Manner::Proper);
        machine.wait_for_name(&docker(1), LISTED);
        wait_until(
            || machine.unresolved().values().all(|count| *count == 0),
            || format!("{:?}", machine.unresolved()),
        );
    }
}

#[test]
fn lists_help_where_no_events_are_allowed_or_an_engine_does_not_confirm_them() {
    for manner in [Manner::NoEvents, Manner::LateHead] {
        let mut machine = Machine::new();
        let engine = machine.engine(manner);
        engine.runs(&id(1), "web");
        machine.group(&docker(1), 5);
        machine.start("");
        machine.wait_for_name(&docker(1), LISTED);
        if manner == Manner::LateHead {
            engine.happens("create", &id(2), "web");
            std::thread::sleep(Duration::from_millis(50));
            machine.group(&docker(2), 5);
            machine.wait_for_name(&docker(2), HAPPENED);
            assert_eq!(machine.names_of(&docker(2)), [HAPPENED]);
        }
        assert_eq!(engine.requests("/containers/json"), 1);
    }
}

#[test]
fn a_thousand_containers_need_one_list() {
    let mut machine = Machine::new();
    let engine = machine.engine(Manner::Proper);
    for number in 0..1000 {
        engine.runs(&id(number), "web");
        machine.group(&docker(number), 5);
    }
    machine.start("metrics = { memory = 'off', memory_stat = 'off', io_pressure = 'off' }");
    for number in [0, 500, 999] {
        machine.wait_for_name(&docker(number), LISTED);
    }
    wait_until(
        || machine.unresolved().values().all(|count| *count == 0),
        String::new,
    );
    assert_eq!(
        (engine.requests("/containers/json"), engine.requests("/events")),
        (1, 1)
    );
}

#[test]
fn nobody_is_asked_when_names_are_not_wanted_or_known_from_the_path() {
    let mut machine = Machine::new();
    let engine = machine.engine(Manner::Proper);
    engine.runs(&id(1), "web");
    machine.group(&docker(1), 5);
    machine.start("names = 'never'");
    wait_until(|| machine.names_of(&docker(1)) == [UNNAMED], String::new);

    let mut other = Machine::new();
    let second = other.engine(Manner::Proper);
    other
        .group("/lxc.payload.box", 5)
        .group(r"/machine.slice/systemd-nspawn@my\x2dweb.service", 5);
    other.start("");
    wait_until(
        || other.names_of("/lxc.payload.box") == ["container=box runtime=lxc"],
        String::new,
    );
    assert_eq!(
        other.names_of(r"/machine.slice/systemd-nspawn@my\x2dweb.service"),
        ["container=my-web runtime=systemd-nspawn"]
    );
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!((engine.requests("/"), second.requests("/")), (0, 0));
    assert!(machine.unresolved().is_empty() && other.unresolved().is_empty());
}

#[test]
fn an_engine_that_comes_later_tells_names_then() {
    let mut machine = Machine::new();
    machine.group(&docker(1), 5);
    machine.start("");
    wait_until(|| machine.names_of(&docker(1)) == [UNNAMED], String::new);
    std::thread::sleep(Duration::from_millis(700));
    let engine = machine.engine(Manner::Proper);
    engine.runs(&id(1), "web");
    machine.wait_for_name(&docker(1), LISTED);
}

#[test]
fn an_engine_that_ends_each_stream_at_once_is_not_asked_all_the_time() {
    let mut machine = Machine::new();
    let engine = machine.engine(Manner::ShortOfBreath);
    engine.runs(&id(1), "web");
    machine.group(&docker(1), 5).group(&docker(2), 5);
    machine.start("");
    machine.wait_for_name(&docker(1), LISTED);
    std::thread::sleep(Duration::from_millis(2500));
    let lists = engine.requests("/containers/json");
    assert!((2..=4).contains(&lists), "{lists}");
    assert_eq!(machine.names_of(&docker(2)), [UNNAMED]);
}

#[test]
fn podman_behind_a_socket_tells_more_than_its_files() {
    let mut machine = Machine::new();
    let engine = Engine::listen(&machine.root.at("run/podman/podman.sock"), Manner::LateHead);
    engine.runs(&id(1), "web");
    let path = format!("/machine.slice/libpod-{}.scope", id(1));
    machine.group(&path, 5);
    machine.start("");
    machine.wait_for_name(
        &path,
        "compose_project=shop container=web image=nginx:1 runtime=podman",
    );
}

#[test]
fn what_is_no_more_is_forgotten() {
    let mut machine = Machine::new();
    let engine = machine.engine(Manner::Proper);
    engine.runs(&id(1), "other");
    machine.group(&docker(1), 5);
    machine.start("");
    machine.wait_until_it_listens_to(&engine);
    engine.happens("create", &id(2), "web");
    engine.happens("destroy", &id(2), "web");
    std::thread::sleep(Duration::from_millis(100));
    machine.group(&docker(2), 5);
    wait_until(|| machine.names_of(&docker(2)) == [UNNAMED], String::new);
}

#[test]
fn nobody_asks_for_a_container_that_has_ended() {
    let mut machine = Machine::new();
    let engine = machine.engine(Manner::Status(500));
    machine.group(&docker(1), 5);
    machine.start("");
    wait_until(|| engine.requests("/containers/json") == 1, String::new);
    std::fs::remove_dir_all(machine.root.at(format!("sys/fs/cgroup{}", docker(1)))).unwrap();
    std::thread::sleep(Duration::from_millis(4000));
    assert!(engine.requests("/containers/json") <= 2);
}

#[test]
fn users_have_engines_of_their_own() {
    let mut machine = Machine::new();
    let of_user = Engine::listen(&machine.root.at("run/user/1000/docker.sock"), Manner::Proper);
    let of_root = machine.engine(Manner::Proper);
    let manager = "/user.slice/user-1000.slice/user@1000.service/user.slice";
    let path = format!("{manager}/docker-{}.scope", id(1));
    of_user.runs(&id(1), "web");
    machine.group(&path, 5);
    machine.start("");
    machine.wait_for_name(&path, LISTED);
    assert_eq!(of_root.requests("/"), 0);
}

#[test]
fn podman_without_a_socket_and_nerdctl_tell_names_by_files() {
    let mut machine = Machine::new();
    let stored = format!(
        r#"[{{"id":"{}","names":["pod"],"metadata":"{{\"image-name\":\"docker.io/library/nginx:1\"}}"}}]"#,
        id(1)
    );
    machine.root.write(
        "var/lib/containers/storage/overlay-containers/containers.json",
        stored,
    );
    let bundle = format!(
        "run/containerd/io.containerd.runtime.v2.task/default/{}/config.json",
        id(2)
    );
    machine
        .root
        .write(bundle, r#"{"annotations":{"nerdctl/name":"nerd"}}"#);
    let podman = format!("/machine.slice/libpod-{}.scope", id(1));
    let nerdctl = format!("/system.slice/nerdctl-{}.scope", id(2));
    machine
        .group(&podman, 5)
        .group(&format!("{podman}/container"), 5)
        .group(&nerdctl, 5);
    machine.start("");
    machine.wait_for_name(
        &podman,
        "container=pod image=docker.io/library/nginx:1 runtime=podman",
    );
    machine.wait_for_name(&nerdctl, "container=nerd runtime=containerd");
    assert!(machine.samples_of(&format!("{podman}/container")).is_empty());
}

#[test]
fn an_id_below_a_parent_of_choice_is_named_by_whoever_knows_it_and_is_final_when_nobody_does() {
    let mut machine = Machine::new();
    let engine = machine.engine(Manner::Proper);
    engine.runs(&id(1), "web");
    let (known, unknown) = (format!("/ecs/task/{}", id(1)), format!("/jobs/{}", id(2)));
    machine.group(&known, 5).group(&unknown, 5);
    machine.start("");
    machine.wait_for_name(&known, LISTED);
    wait_until(|| !machine.samples_of(&unknown).is_empty(), String::new);
    wait_until(
        || machine.unresolved().values().all(|count| *count == 0),
        || format!("{:?}", machine.unresolved()),
    );
    assert_eq!(machine.names_of(&unknown), [""]);
    // The second may have been asked for when the first was on its way.
    assert!((1..=2).contains(&engine.requests("/containers/json")));
    assert_eq!(engine.requests("/events"), 0);
}
