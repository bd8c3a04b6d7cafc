use std::time::Duration;

use alumet_core::output::RecordingOutput;
use alumet_core::pipeline::{PipelineBuilder, self_metrics};
use alumet_core::plugin::{Plugin, PluginDescriptor, StartContext, StartError};
use alumet_core::testkit::ManualClock;

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

#[test]
fn an_interval_of_zero_is_refused() {
    let mut builder = PipelineBuilder::new();
    let source = Counting::new(builder.catalog(), "a");
    builder.source("a", source).every(Duration::ZERO);
    let error = builder.start().unwrap_err().to_string();
    assert_eq!(
        error,
        "sources/embedded/a has an interval of zero; it must be longer"
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
        PipelineBuilder::with_clock(std::sync::Arc::new(clock.clone())).self_metrics(Duration::from_secs(1));
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
        // Nothing was dropped here, and only dropped samples have a reason.
        assert_eq!(found, metric.name != "alumet_samples_dropped", "{}", metric.name);
    }
    let delivered = samples
        .iter()
        .rfind(|sample| sample.series.metric.name == "alumet_samples_delivered");
    let last = delivered.unwrap().value.as_f64();
    assert!(last > 0.0 && last < samples.len() as f64);
}
