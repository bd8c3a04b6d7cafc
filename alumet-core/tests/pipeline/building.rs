use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use alumet_core::output::{QueuePolicy, RecordingOutput};
use alumet_core::pipeline::{PipelineBuilder, self_metrics};
use alumet_core::plugin::{Plugin, PluginDescriptor, StartContext, StartError};
use alumet_core::testkit::ManualClock;
use alumet_core::time::{Alarm, Clock, Moment};

use crate::elements::{Counting, PATIENCE, counting_pipeline, pass};
use crate::spool::MemorySpool;

#[derive(Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default)]
struct Config {
    fail: bool,
}

/// Fails after it has added its source, if told to.
struct Picky;

impl Plugin for Picky {
    const ID: &'static str = "picky";
    const SUMMARY: &'static str = "Fails when told to.";
    type Config = Config;

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let source = Counting::new(alumet.catalog(), "picky");
        alumet.source("late", source);
        if config.fail {
            return Err(StartError::new("no such device; plug it in"));
        }
        Ok(Self)
    }
}

fn config(fail: bool) -> alumet_core::plugin::PluginConfig {
    let table: toml::Table = toml::Table::try_from(Config { fail }).unwrap();
    let mut deserializer = <dyn erased_serde::Deserializer<'_>>::erase(table);
    PluginDescriptor::of::<Picky>().parse(&mut deserializer).unwrap()
}

#[test]
fn a_plugin_that_cannot_start_leaves_nothing_behind_and_may_start_later() {
    let (pipeline, recording, clock) = counting_pipeline();
    let descriptor = PluginDescriptor::of::<Picky>();
    let error = pipeline.start_plugin(&descriptor, &config(true)).unwrap_err();
    assert_eq!(error.to_string(), "no such device; plug it in");
    assert_eq!(pipeline.control().status().unwrap().elements.len(), 2);
    pipeline.start_plugin(&descriptor, &config(false)).unwrap();
    pass(&pipeline, &clock, 1);
    assert!(
        recording
            .samples()
            .iter()
            .any(|sample| sample.to_string().contains("source=picky"))
    );
    pipeline.stop_plugin("picky").unwrap();
    assert_eq!(pipeline.control().status().unwrap().elements.len(), 2);
}

/// Adds a transform and outputs of which the last one needs a spool, and a source with a thread of its own.
struct Greedy;

/// What [`Greedy`] cannot have, and how often it was stopped.
#[derive(Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default)]
struct Wishes {
    spool: bool,
}

static GREEDY_STOPPED: AtomicUsize = AtomicUsize::new(0);

impl Plugin for Greedy {
    const ID: &'static str = "greedy";
    const SUMMARY: &'static str = "Wants what it cannot have.";
    type Config = Wishes;

    fn start(wishes: Wishes, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        alumet.output("a", RecordingOutput::new());
        alumet.output("b", RecordingOutput::new()).queue(QueuePolicy {
            durable: Some(wishes.spool),
            ..QueuePolicy::default()
        });
        let source = Counting::new(alumet.catalog(), "greedy");
        alumet.source("source", source).blocking();
        Ok(Self)
    }

    fn stop(&mut self) {
        GREEDY_STOPPED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Has no alarm left when it is told so.
#[derive(Clone)]
struct Exhausted(ManualClock, Arc<AtomicBool>);

impl Clock for Exhausted {
    fn now(&self) -> Moment {
        self.0.now()
    }

    fn alarm(&self) -> std::io::Result<Box<dyn Alarm>> {
        if self.1.load(Ordering::Relaxed) {
            return Err(std::io::Error::other("too many open files"));
        }
        self.0.alarm()
    }
}

#[test]
fn a_plugin_that_cannot_be_added_as_a_whole_is_not_added_at_all() {
    let is_exhausted = Arc::new(AtomicBool::new(false));
    let clock = Exhausted(ManualClock::new(), Arc::clone(&is_exhausted));
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock));
    builder.source("first", Counting::new(builder.catalog(), "first"));
    let pipeline = builder.start().unwrap();
    let descriptor = PluginDescriptor::of::<Greedy>();
    let start = |spool: bool| {
        let table = toml::Table::try_from(Wishes { spool }).unwrap();
        let mut deserializer = <dyn erased_serde::Deserializer<'_>>::erase(table);
        pipeline.start_plugin(&descriptor, &descriptor.parse(&mut deserializer).unwrap())
    };
    let elements = || pipeline.control().status().unwrap().elements.len();
    for attempt in 1..=2 {
        let error = start(true).unwrap_err().to_string();
        assert!(error.contains("needs a spool"), "{error}");
        is_exhausted.store(true, Ordering::Relaxed);
        let error = start(false).unwrap_err().to_string();
        assert!(error.contains("too many open files"), "{error}");
        is_exhausted.store(false, Ordering::Relaxed);
        assert_eq!(elements(), 1);
        assert_eq!(GREEDY_STOPPED.load(Ordering::Relaxed), attempt * 2);
    }
    start(false).unwrap();
    assert_eq!(elements(), 4);
    let error: Box<dyn std::error::Error> = start(false).unwrap_err().into();
    assert!(error.to_string().contains("two elements named"), "{error}");
    assert_eq!(elements(), 4, "what was there before stays");
    pipeline.stop_plugin("greedy").unwrap();
    assert_eq!(elements(), 1);
}

#[test]
fn an_interval_that_would_keep_a_core_busy_is_refused() {
    let mut builder = PipelineBuilder::new();
    let source = Counting::new(builder.catalog(), "a");
    builder.source("a", source).every(Duration::from_nanos(1));
    let error = builder.start().unwrap_err().to_string();
    assert_eq!(
        error,
        "sources/embedded/a has an interval of 1ns; it must be 1 ms or longer"
    );
}

#[test]
fn two_elements_with_one_name_are_refused() {
    let mut builder = PipelineBuilder::new();
    for _ in 0..2 {
        builder.output("same", RecordingOutput::new());
    }
    let error = builder.start().unwrap_err().to_string();
    assert!(
        error.contains("two elements named outputs/embedded/same"),
        "{error}"
    );
}

#[test]
fn the_pipeline_measures_itself_with_the_metrics_it_announces() {
    let clock = ManualClock::new();
    let mut builder =
        PipelineBuilder::with_clock(Arc::new(clock.clone())).self_metrics(Duration::from_secs(1));
    let output = RecordingOutput::new();
    let recording = output.recording();
    builder = builder
        .spool(MemorySpool::default().slot())
        .durable_by_default(true);
    builder.output("recording", output);
    let pipeline = builder.start().unwrap();
    pass(&pipeline, &clock, 2);
    pipeline.stop(PATIENCE);
    let samples = recording.samples();
    for metric in self_metrics::all() {
        let found = samples
            .iter()
            .any(|sample| sample.series.metric.name == metric.name);
        // Nothing was dropped here, and only dropped samples have a reason; and no plugin has a certificate.
        let is_absent = ["alumet_samples_dropped", "alumet_certificate_expiry"].contains(&metric.name);
        assert_eq!(found, !is_absent, "{}", metric.name);
    }
    let delivered = samples
        .iter()
        .rfind(|sample| sample.series.metric.name == "alumet_samples_delivered");
    let last = delivered.unwrap().value.as_f64();
    assert!(last > 0.0 && last < samples.len() as f64);
}
