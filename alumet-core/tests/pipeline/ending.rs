//! How a pipeline and its plugins end, whatever holds them up.

use std::sync::Arc;
use std::time::Duration;

use alumet_core::Batch;
use alumet_core::failure::Failure;
use alumet_core::output::{NullOutput, OnFull, QueuePolicy};
use alumet_core::pipeline::{BuildError, DropReason, ElementState, EventSink, PipelineBuilder};
use alumet_core::plugin::{ConfigFault, Faults, Plugin, PluginDescriptor, StartContext, StartError};
use alumet_core::source::{EventSource, NoopSource};
use alumet_core::testkit::ManualClock;
use alumet_core::transform::{Transform, TransformContext};
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::elements::{
    Counting, PATIENCE, SECOND, Unreliable, assert_balanced, counting_pipeline, one_source, status_of,
    values, wait_until,
};
use crate::gated::{Gate, Gated, Opener};

#[test]
fn an_output_that_fails_until_the_end_is_given_up_and_ends_by_itself() {
    let (mut builder, _) = one_source();
    let output = Unreliable::default();
    *output.always.lock() = Some("unreachable");
    builder.output("unreliable", output);
    let pipeline = builder.start().unwrap();
    let report = pipeline.stop(Duration::from_millis(100));
    assert_eq!(report.stuck, [""; 0]);
    let account = report.ledger.outputs.values().next().unwrap();
    assert_eq!(account.dropped[&DropReason::Shutdown], report.ledger.produced);
    assert_eq!(status_of(&pipeline, "unreliable").state, ElementState::Ended);
}

#[test]
fn a_blocked_output_does_not_keep_the_last_poll_from_happening() {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone())).ingest_capacity(1);
    let source = Counting::new(builder.catalog(), "a");
    let ticks = source.ticks();
    builder.source("a", source);
    let output = Gated::default();
    let gate = output.gate.clone();
    builder.output("blocked", output).queue(QueuePolicy {
        capacity: 1,
        on_full: OnFull::Block,
        ..QueuePolicy::default()
    });
    let pipeline = builder.start().unwrap();
    let _opener = Opener(&gate);
    gate.wait_for_visitor();
    // One sample is being written, one waits for that, one with the router, one for the router; the source has a fifth.
    for made in 2..=5 {
        clock.advance(SECOND);
        wait_until("one more is made", || ticks.lock().len() == made);
    }
    clock.advance(SECOND);
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(ticks.lock().len(), 5, "it waits for room");
    let report = pipeline.stop(Duration::ZERO);
    assert_eq!(
        report.stuck,
        ["outputs/embedded/blocked"],
        "nobody else waits for it"
    );
    assert_eq!(ticks.lock().len(), 7, "the tick that was due, and the last poll");
    let account = report.ledger.outputs.values().next().unwrap();
    assert_eq!(account.dropped[&DropReason::Shutdown], 7);
    assert_balanced(&report.ledger);
}

/// Waits at a gate.
struct Stuck(Gate);

impl Transform for Stuck {
    fn apply(&mut self, _: &mut Batch, _: &TransformContext<'_>) -> Result<(), Failure> {
        self.0.pass();
        Ok(())
    }
}

#[test]
fn a_transform_that_does_not_come_back_is_left_behind_and_named() {
    let (mut builder, _) = one_source();
    let gate = Gate::default();
    builder.transform("stuck", Stuck(gate.clone()));
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    let _opener = Opener(&gate);
    gate.wait_for_visitor();
    let report = pipeline.stop(Duration::ZERO);
    assert_eq!(report.stuck, ["the transforms"]);
    assert!(!report.is_complete());
    assert_balanced(&report.ledger);
    gate.open();
    wait_until("the transform has ended", || {
        status_of(&pipeline, "stuck").state == ElementState::Ended
    });
    assert_balanced(&pipeline.control().status().unwrap().ledger);
}

#[test]
fn a_pipeline_that_is_dropped_takes_its_threads_and_elements_with_it() {
    let (pipeline, recording, clock) = counting_pipeline();
    let control = pipeline.control().clone();
    let mut specs = alumet_core::plugin::ElementSpecs::default();
    let late = Counting::new(pipeline.catalog(), "late");
    let ticks = late.ticks();
    specs.source("late", late);
    control.add("test", specs).unwrap();
    assert_eq!(Arc::strong_count(&ticks), 2, "the source has one");
    drop(pipeline);
    wait_until("the source is gone", || Arc::strong_count(&ticks) == 1);
    wait_until("the pipeline is gone", || control.status().is_err());
    clock.advance(SECOND);
    assert!(!values(&recording).is_empty());
}

/// What the plugins of these tests have done, in order.
type Diary = Mutex<Vec<String>>;

static STOPPED: Diary = Mutex::new(Vec::new());

#[derive(Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default)]
struct Config {
    name: String,
    panic: bool,
}

/// Notes that it was stopped and that it was dropped.
struct Noting(Config);

impl Plugin for Noting {
    const ID: &'static str = "noting";
    const SUMMARY: &'static str = "Notes how it ends.";
    type Config = Config;

    fn check(config: &Config) -> Result<(), Faults> {
        if config.name.is_empty() {
            return Err(ConfigFault::new("name", "a name must not be empty").into());
        }
        Ok(())
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let source = Counting::new(alumet.catalog(), "noting");
        alumet.source("a", source);
        Ok(Self(config))
    }

    fn stop(&mut self) {
        STOPPED.lock().push(format!("{} stopped", self.0.name));
        assert!(!self.0.panic, "a plugin panics");
    }
}

impl Drop for Noting {
    fn drop(&mut self) {
        STOPPED.lock().push(format!("{} dropped", self.0.name));
    }
}

fn diary(name: &str) -> Vec<String> {
    let entries = STOPPED.lock();
    let mine = entries.iter().filter_map(|entry| entry.strip_prefix(name));
    mine.map(|entry| entry.trim().to_owned()).collect()
}

fn config(name: &str, panic: bool) -> Config {
    Config {
        name: name.to_owned(),
        panic,
    }
}

fn described(name: &str) -> (PluginDescriptor, alumet_core::plugin::PluginConfig) {
    let table = toml::Table::try_from(config(name, false)).unwrap();
    let descriptor = PluginDescriptor::of::<Noting>();
    let mut deserializer = <dyn erased_serde::Deserializer<'_>>::erase(table);
    let parsed = descriptor.parse(&mut deserializer).unwrap();
    (descriptor, parsed)
}

#[test]
fn every_plugin_is_stopped_once_when_the_pipeline_ends_even_if_it_panics() {
    for (name, panic) in [("calm", false), ("wild", true)] {
        let mut builder = PipelineBuilder::with_clock(Arc::new(ManualClock::new()));
        builder.plugin::<Noting>(config(name, panic)).unwrap();
        let pipeline = builder.start().unwrap();
        assert_eq!(diary(name), [""; 0]);
        pipeline.stop(PATIENCE);
        assert_eq!(diary(name), ["stopped", "dropped"]);
        pipeline.stop(PATIENCE);
        drop(pipeline);
        assert_eq!(diary(name), ["stopped", "dropped"], "once");
    }
}

#[test]
fn a_plugin_that_is_known_as_data_is_stopped_alone_and_may_come_back() {
    let (descriptor, first) = described("data");
    let mut builder = PipelineBuilder::with_clock(Arc::new(ManualClock::new()));
    builder.described_plugin(&descriptor, &first).unwrap();
    let pipeline = builder.start().unwrap();
    assert_eq!(status_of(&pipeline, "a").key.plugin, "noting");
    pipeline.stop_plugin("another").unwrap();
    assert_eq!(diary("data"), [""; 0]);
    pipeline.stop_plugin("noting").unwrap();
    assert_eq!(diary("data"), ["stopped", "dropped"]);
    assert!(pipeline.control().status().unwrap().elements.is_empty());

    let (descriptor, second) = described("again");
    pipeline.start_plugin(&descriptor, &second).unwrap();
    assert_eq!(pipeline.control().status().unwrap().elements.len(), 1);
    pipeline.stop(PATIENCE);
    assert_eq!(diary("again"), ["stopped", "dropped"]);
}

#[test]
fn a_plugin_with_a_wrong_configuration_is_not_started() {
    let mut builder = PipelineBuilder::with_clock(Arc::new(ManualClock::new()));
    let error = builder.plugin::<Noting>(config("", false)).err().unwrap();
    assert_eq!(error.to_string(), "`name`: a name must not be empty");
    let pipeline = builder.start().unwrap();
    assert!(pipeline.control().status().unwrap().elements.is_empty());
}

#[test]
fn a_plugin_sees_the_root_that_the_program_chose() {
    struct Rooted;
    impl Plugin for Rooted {
        const ID: &'static str = "rooted";
        const SUMMARY: &'static str = "Looks for its root.";
        type Config = Config;

        fn start(_: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
            Err(StartError::new(alumet.root().display().to_string()))
        }
    }
    let mut builder = PipelineBuilder::new().root("/host");
    let error = builder.plugin::<Rooted>(Config::default()).err().unwrap();
    assert_eq!(error.to_string(), "/host");
}

/// Ends as it is told to, once it has run so many times.
struct Ending {
    runs: Arc<Mutex<u32>>,
    ends_at: u32,
}

#[async_trait]
impl EventSource for Ending {
    async fn run(&mut self, _: EventSink, _: CancellationToken) -> Result<(), Failure> {
        *self.runs.lock() += 1;
        if *self.runs.lock() == self.ends_at {
            return Err(Failure::end("the peer has said goodbye"));
        }
        Err(Failure::skip("a message without sense"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_source_that_says_that_it_has_ended_is_not_run_again() {
    let mut builder = PipelineBuilder::new();
    let runs = Arc::new(Mutex::new(0));
    builder.event_source(
        "ending",
        Ending {
            runs: Arc::clone(&runs),
            ends_at: 2,
        },
    );
    let pipeline = builder.start().unwrap();
    let ended = pipeline.sources_ended();
    tokio::time::timeout(PATIENCE, ended.cancelled()).await.unwrap();
    assert_eq!(*runs.lock(), 2, "after the other failure it was");
    tokio::task::spawn_blocking(move || assert!(pipeline.stop(PATIENCE).is_complete()))
        .await
        .unwrap();
}

#[tokio::test]
async fn two_elements_of_a_kind_with_one_name_are_refused_however_they_run() {
    let mut transforms = PipelineBuilder::new();
    transforms.transform("same", Stuck(Gate::default()));
    transforms.transform("same", Stuck(Gate::default()));
    let mut outputs = PipelineBuilder::new();
    outputs.output("same", NullOutput);
    outputs.output("same", NullOutput).in_flight(2);
    let mut tasks = PipelineBuilder::new();
    tasks.output("same", NullOutput).in_flight(2);
    tasks.output("same", NullOutput).in_flight(2);
    let mut sources = PipelineBuilder::new();
    sources.source("same", NoopSource);
    let runs = Arc::default();
    sources.event_source("same", Ending { runs, ends_at: 1 });
    for (builder, name) in [
        (transforms, "transforms/embedded/same"),
        (outputs, "outputs/embedded/same"),
        (tasks, "outputs/embedded/same"),
        (sources, "sources/embedded/same"),
    ] {
        let error = builder.start().unwrap_err();
        assert!(matches!(&error, BuildError::Add(_)), "{error}");
        let expected = format!("two elements named {name}");
        assert!(error.to_string().contains(&expected), "{error}");
    }
}

#[test]
fn a_plugin_that_is_added_twice_is_refused() {
    let mut builder = PipelineBuilder::with_clock(Arc::new(ManualClock::new()));
    for name in ["twice 1", "twice 2"] {
        builder.plugin::<Noting>(config(name, false)).unwrap();
    }
    let error = builder.start().unwrap_err().to_string();
    assert!(error.contains("two elements named sources/noting/a"), "{error}");
}
