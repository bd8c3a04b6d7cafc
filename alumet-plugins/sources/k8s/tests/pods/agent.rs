//! A pipeline with the plugin, on a machine whose control groups the test makes.

use std::path::Path;
use std::time::{Duration, Instant};

use alumet_core::duration::HumanDuration;
use alumet_core::output::{RecordedSample, Recording, RecordingOutput};
use alumet_core::pipeline::{Pipeline, PipelineBuilder};
use alumet_core::testkit::FakeRoot;
use alumet_core::value::Value;
use alumet_plugin_k8s::{Config, K8sPlugin};
use serde_json::json;

const LONG: Duration = Duration::from_secs(20);

/// The plugin at work. Its polls are an hour apart: what is recorded comes from events.
pub(crate) struct Agent {
    pub(crate) root: FakeRoot,
    pipeline: Option<Pipeline>,
    recording: Recording,
}

/// A uid with this number.
pub(crate) fn uid(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// A pod with this number, as the API has it.
pub(crate) fn pod(number: u32, name: &str) -> serde_json::Value {
    json!({"metadata": {"uid": uid(number), "name": name, "namespace": "default"}, "spec": {"nodeName": "n1"}})
}

/// The path of the group of a pod.
pub(crate) fn group(uid: &str) -> String {
    let uid = uid.replace('-', "_");
    format!("/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{uid}.slice")
}

impl Agent {
    /// With the configuration that a server at `url` needs, and more.
    pub(crate) fn start(url: &str, config: &str) -> Self {
        let root = FakeRoot::new();
        root.write("proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
        root.write("sys/fs/cgroup/cgroup.controllers", "");
        let path = root.path().to_owned();
        Self::start_on(root, &path, &format!("poll_interval = '1h'\n{config}"), url)
    }

    /// On the control groups of this machine.
    pub(crate) fn on_this_machine(url: &str, config: &str) -> Self {
        Self::start_on(FakeRoot::new(), Path::new("/"), config, url)
    }

    fn start_on(root: FakeRoot, path: &Path, config: &str, url: &str) -> Self {
        let text = format!("k8s_node = 'n1'\nk8s_api_url = '{url}'\nkubelet_url = '{url}'\n{config}");
        let mut config: Config = toml::from_str(&text).unwrap();
        if config.start_spread == Config::default().start_spread {
            config.start_spread = HumanDuration::from_secs(0);
        }
        let output = RecordingOutput::new();
        let recording = output.recording();
        let mut builder = PipelineBuilder::new().root(path);
        builder.plugin::<K8sPlugin>(config).unwrap();
        builder.output("recording", output);
        let pipeline = Some(builder.start().unwrap());
        Self {
            root,
            pipeline,
            recording,
        }
    }

    /// Makes the group of a pod that has used so much CPU time.
    pub(crate) fn make(&self, path: &str, micros: u64) {
        let text = format!("usage_usec {micros}\nuser_usec {micros}\nsystem_usec 0\n");
        let group = self.root.at(format!("sys/fs/cgroup{path}"));
        if group.exists() {
            self.root.write(format!("sys/fs/cgroup{path}/cpu.stat"), text);
            return;
        }
        // As the kernel does it: a directory is never there without its files.
        self.root.write("made/cpu.stat", text);
        std::fs::create_dir_all(group.parent().unwrap()).unwrap();
        std::fs::rename(self.root.at("made"), group).unwrap();
    }

    /// Polls.
    pub(crate) fn poll(&self) {
        let control = self.pipeline.as_ref().unwrap().control();
        control.trigger(&"sources/k8s/k8s".parse().unwrap()).unwrap();
    }

    pub(crate) fn samples(&self) -> Vec<RecordedSample> {
        self.recording.samples()
    }

    /// The values of an attribute on samples that have all these.
    pub(crate) fn values(&self, key: &str, with: &[(&str, &str)]) -> Vec<String> {
        let mut values = Vec::new();
        for sample in self.samples() {
            let attributes = sample.series.attributes();
            let has = |(key, value): &(&str, &str)| {
                attributes
                    .get(key)
                    .is_some_and(|found| found.to_string() == *value)
            };
            let value = attributes.get(key).map(ToString::to_string);
            if let Some(value) = value.filter(|value| with.iter().all(has) && !values.contains(value)) {
                values.push(value);
            }
        }
        values
    }

    /// Whether the pod with that uid has samples with that name.
    pub(crate) fn is_named(&self, uid: &str, name: &str) -> bool {
        self.values("name", &[("uid", uid)]).contains(&name.to_owned())
    }

    #[track_caller]
    pub(crate) fn wait_for_name(&self, uid: &str, name: &str) {
        self.wait(&format!("{uid} is {name}"), || self.is_named(uid, name));
    }

    /// Waits until there are samples of a group.
    #[track_caller]
    pub(crate) fn wait_for_group(&self, path: &str) {
        self.wait(path, || {
            self.samples()
                .iter()
                .any(|sample| sample.series.consumer().id() == path)
        });
    }

    #[track_caller]
    pub(crate) fn wait(&self, what: &str, is_so: impl Fn() -> bool) {
        wait(what, is_so);
    }

    /// All that was billed to a group, with this attribute or without it.
    pub(crate) fn total(&self, metric: &str, path: &str, has_name: bool) -> u64 {
        let samples = self.samples();
        let of_group = samples.iter().filter(|sample| {
            let attributes = sample.series.attributes();
            sample.series.metric.name == metric
                && sample.series.consumer().id() == path
                && attributes
                    .get("kind")
                    .is_none_or(|kind| kind.to_string() == "total")
                && attributes.get("name").is_some() == has_name
        });
        of_group
            .map(|sample| match sample.value {
                Value::U64(value) => value,
                _ => 0,
            })
            .sum()
    }

    /// The reasons for which pods have no name, by the last count.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let samples = self.samples();
        let mut last = std::collections::BTreeMap::new();
        for sample in samples
            .iter()
            .filter(|sample| sample.series.metric.name == "cgroup_unresolved")
        {
            let reason = sample.series.attributes().get("reason").unwrap().to_string();
            last.insert(reason, sample.value);
        }
        let some = last.into_iter().filter(|(_, count)| *count != Value::U64(0));
        some.map(|(reason, _)| reason).collect()
    }
}

#[track_caller]
pub(crate) fn wait(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LONG, "{what}: not within {LONG:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Some(pipeline) = self.pipeline.take() {
            pipeline.stop(Duration::from_secs(10));
        }
    }
}
