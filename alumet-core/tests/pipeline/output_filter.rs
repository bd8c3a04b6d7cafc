//! Outputs that get only some of the series, and what is counted of the others: nothing.

use std::sync::Arc;
use std::time::Duration;

use alumet_core::attributes::AttributeValue;
use alumet_core::failure::Failure;
use alumet_core::output::{NullOutput, OnFull, QueuePolicy, RecordedSample, RecordingOutput};
use alumet_core::pipeline::{Ledger, OutputAccount, Pipeline, PipelineBuilder};
use alumet_core::plugin::{Plugin, PluginDescriptor, StartContext, StartError};
use alumet_core::series::SeriesInfo;
use alumet_core::source::{Accumulator, Source};
use alumet_core::testkit::{ManualClock, assert_lines};
use alumet_core::{Consumer, Resource, Series, Unit};

use crate::elements::{Counting, PATIENCE, Unreliable, assert_balanced, pass};
use crate::spool::MemorySpool;

const DURABLE: QueuePolicy = QueuePolicy {
    capacity: 1000,
    on_full: OnFull::DropOldest,
    durable: Some(true),
};

/// Two sources, of which each batch has a sample.
fn builder() -> (PipelineBuilder, ManualClock) {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
    for name in ["a", "b"] {
        let source = Counting::new(builder.catalog(), name);
        builder.source(name, source);
    }
    (builder, clock)
}

fn is_of(series: &SeriesInfo, source: &str) -> bool {
    series.attributes().get("source") == Some(&AttributeValue::from(source))
}

/// `source value`.
fn lines(samples: &[RecordedSample]) -> Vec<String> {
    let line = |sample: &RecordedSample| {
        let source = sample.series.attributes().get("source").unwrap();
        format!("{source} {}", sample.value)
    };
    samples.iter().map(line).collect()
}

fn account(ledger: &Ledger, output: &str) -> OutputAccount {
    assert_balanced(ledger);
    let found = ledger
        .outputs
        .iter()
        .find(|(key, _)| key.to_string() == format!("outputs/embedded/{output}"));
    found.unwrap().1.clone()
}

fn run(builder: PipelineBuilder, clock: &ManualClock, seconds: u32) -> (Pipeline, Ledger) {
    let pipeline = builder.start().unwrap();
    pipeline.control().flush().unwrap();
    pass(&pipeline, clock, seconds);
    let ledger = pipeline.control().status().unwrap().ledger;
    (pipeline, ledger)
}

#[test]
fn an_output_gets_what_its_filter_wants_and_others_get_all() {
    let (mut builder, clock) = builder();
    let (some, none, all) = (
        RecordingOutput::new(),
        RecordingOutput::new(),
        RecordingOutput::new(),
    );
    let recordings = [some.recording(), none.recording(), all.recording()];
    builder.output("some", some).filter(|series| is_of(series, "b"));
    builder.output("none", none).filter(|_| false);
    builder.output("all", all);
    let (pipeline, ledger) = run(builder, &clock, 2);
    assert_lines(lines(&recordings[0].samples()), ["b 1", "b 2", "b 3"]);
    assert!(recordings[1].is_empty());
    assert_lines(
        lines(&recordings[2].samples()),
        ["a 1", "b 1", "a 2", "b 2", "a 3", "b 3"],
    );
    for (output, samples) in [("some", 3), ("none", 0), ("all", 6)] {
        let account = account(&ledger, output);
        assert_eq!(
            (account.offered, account.delivered, account.dropped_total()),
            (samples, samples, 0),
            "{output}"
        );
    }
    assert!(pipeline.stop(PATIENCE).is_complete());
}

#[test]
fn what_a_durable_output_does_not_get_is_neither_offered_nor_lost_nor_recovered() {
    let spool = MemorySpool::default();
    let (builder, _clock) = builder();
    let mut builder = builder.spool(spool.slot());
    let output = Unreliable::default();
    *output.always.lock() = Some("it is away");
    builder.output("out", output).queue(DURABLE);
    let pipeline = builder.start().unwrap();
    let _ = pipeline.control().flush();
    let ledger = pipeline.stop(PATIENCE).ledger;
    // Each source is polled once more at the end.
    assert_eq!(account(&ledger, "out").spooled, 4);

    let (builder, clock) = self::builder();
    let mut builder = builder.spool(spool.slot());
    let output = RecordingOutput::new();
    let recording = output.recording();
    builder
        .output("out", output)
        .queue(DURABLE)
        .filter(|series| is_of(series, "b"));
    let (pipeline, _) = run(builder, &clock, 2);
    assert_lines(lines(&recording.samples()), ["b 1", "b 2", "b 1", "b 2", "b 3"]);
    let report = pipeline.stop(PATIENCE);
    let account = account(&report.ledger, "out");
    assert_eq!((account.recovered, account.offered), (2, 4));
    assert_eq!(
        (account.delivered, account.buffered, account.dropped_total()),
        (6, 0, 0)
    );
    assert!(spool.kept().is_empty());
}

#[derive(Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Config {}

/// Adds an output that gets samples, one that gets records, or none.
struct Outputs<const KIND: u8>;

impl<const KIND: u8> Plugin for Outputs<KIND> {
    const ID: &'static str = "outputs";
    const SUMMARY: &'static str = "Adds an output.";
    type Config = Config;

    fn start(_: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        match KIND {
            0 => {}
            1 => drop(alumet.output("records", NullOutput).encoded()),
            _ => drop(alumet.output("samples", NullOutput)),
        }
        Ok(Self)
    }
}

#[test]
fn a_filter_in_the_configuration_is_for_plugins_with_an_output_that_gets_samples() {
    let start = |descriptor: PluginDescriptor| {
        let mut deserializer = <dyn erased_serde::Deserializer<'_>>::erase(toml::Table::new());
        let mut config = descriptor.parse(&mut deserializer).unwrap();
        config.filter_outputs(|series| is_of(series, "b"));
        let (mut builder, clock) = builder();
        builder
            .described_plugin(&descriptor, &config)
            .map_err(|error| Failure::from(error).to_string())?;
        let (pipeline, ledger) = run(builder, &clock, 0);
        drop(pipeline);
        Ok(ledger.outputs.into_values().next().unwrap().delivered)
    };
    assert_eq!(start(PluginDescriptor::of::<Outputs<2>>()), Ok(1));
    for (descriptor, reason) in [
        (PluginDescriptor::of::<Outputs<0>>(), "this plugin has none"),
        (PluginDescriptor::of::<Outputs<1>>(), "sent as it is"),
    ] {
        let error: String = start(descriptor).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
}

/// Shows what it is told to, at each poll.
struct Shown(Vec<(Series<u64>, Vec<u64>)>);

impl Source for Shown {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        for (series, values) in &mut self.0 {
            if !values.is_empty() {
                out.push(series, values.remove(0));
            }
        }
        Ok(())
    }
}

alumet_core::metrics! {
    STATE = Gauge<u64> { name: "state", unit: Unit::ONE, description: "For tests.", };
    USED = Delta<u64> { name: "used", unit: Unit::ONE, description: "For tests.", };
}

#[test]
fn an_output_gets_what_does_not_change_from_time_to_time_and_before_the_next_change() {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
    let catalog = builder.catalog().clone();
    let series = |metric| {
        let metric = catalog.metric(metric).unwrap();
        catalog
            .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
            .register()
    };
    let shown = Shown(vec![
        (series(&STATE), vec![7, 7, 7, 8, 8, 7]),
        (series(&USED), vec![5, 5, 0, 0, 0, 0, 0, 0, 4]),
    ]);
    builder.source("shown", shown);
    let (some, all) = (RecordingOutput::new(), RecordingOutput::new());
    let recordings = [some.recording(), all.recording()];
    builder
        .output("some", some)
        .unchanged_every(Duration::from_secs(4));
    builder.output("all", all);
    let (pipeline, ledger) = run(builder, &clock, 9);
    let first = recordings[1].samples()[0].timestamp;
    let lines = |at: usize, metric: &str| {
        let samples = recordings[at].samples();
        let samples = samples
            .iter()
            .filter(|sample| sample.series.metric.name == metric);
        let line = |sample: &RecordedSample| {
            let age = sample.timestamp.checked_since(first).unwrap();
            format!("{} s {}", age.as_secs(), sample.value)
        };
        samples.map(line).collect::<Vec<_>>()
    };
    assert_lines(lines(0, "state"), ["0 s 7", "2 s 7", "3 s 8", "4 s 8", "5 s 7"]);
    // The 0 of 2 s stands for 4 s; that of 7 s tells since when there is something else.
    assert_lines(
        lines(0, "used"),
        ["0 s 5", "1 s 5", "2 s 0", "6 s 0", "7 s 0", "8 s 4"],
    );
    assert_eq!((lines(1, "state").len(), lines(1, "used").len()), (6, 9));
    let delivered = account(&ledger, "some").delivered;
    assert_eq!(delivered, 11);
    pipeline.stop(PATIENCE);
}
