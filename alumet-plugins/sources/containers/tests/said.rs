//! What is said of an engine that refuses: once, with what can be done.

#![expect(clippy::unwrap_used, reason = "helpers fail the test like the test itself")]

#[path = "daemon/engine.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod engine;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::output::RecordingOutput;
use alumet_core::pipeline::PipelineBuilder;
use alumet_core::testkit::FakeRoot;
use alumet_plugin_containers::{Config, ContainersPlugin};
use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use engine::{Engine, Manner};

/// Keeps the warnings of the plugin.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!("{field}={value:?} ");
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN && metadata.target().starts_with("alumet_plugin_containers")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().push(text.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn an_engine_that_refuses_is_one_warning_with_a_remedy_for_any_number_of_containers_and_attempts() {
    let warnings = Warnings::default();
    tracing::subscriber::set_global_default(warnings.clone()).unwrap();
    let root = FakeRoot::new();
    root.write("proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
    let group = |number: u32| {
        let path = format!("sys/fs/cgroup/system.slice/docker-{number:064x}.scope/cpu.stat");
        root.write(path, "usage_usec 5\n");
    };
    (0..20).for_each(group);
    let engine = Engine::listen(&root.at("run/docker.sock"), Manner::Status(403));
    let mut builder = PipelineBuilder::new().root(root.path());
    let config: Config = toml::from_str("poll_interval = '50ms'\nhierarchy = 'v2'").unwrap();
    builder.plugin::<ContainersPlugin>(config).unwrap();
    builder.output("recording", RecordingOutput::new());
    let pipeline = builder.start().unwrap();
    while engine.requests("/containers/json") < 3 {
        std::thread::sleep(Duration::from_millis(20));
        group(20);
    }
    pipeline.stop(Duration::from_secs(5));
    let said = warnings.0.lock();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("403") && said[0].contains("GET /events"),
        "{said:?}"
    );
}
