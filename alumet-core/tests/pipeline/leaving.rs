//! An output that is stuck can be stopped, and another one of its name started, without a restart.

use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use alumet_core::failure::Failure;
use alumet_core::output::{Delivering, Delivery, OnFull, Output, QueuePolicy, Recording, RecordingOutput};
use alumet_core::pipeline::{OutputAccount, Pattern, Pipeline, PipelineBuilder};
use alumet_core::plugin::{ElementSpecs, Plugin, PluginDescriptor, StartContext, StartError};
use alumet_core::testkit::ManualClock;

use crate::elements::{PATIENCE, assert_balanced, one_source, pass, values, wait_until};
use crate::gated::{Gate, Gated, Opener};
use crate::spool::MemorySpool;

/// An output that is stuck at a gate, and tells when it is dropped.
struct Stuck {
    inner: Gated,
    _dropped: Sender<()>,
}

impl Output for Stuck {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        self.inner.deliver(delivery)
    }
}

struct Rig {
    pipeline: Pipeline,
    clock: ManualClock,
    gate: Gate,
    /// What the stuck output has written.
    recording: Recording,
    /// Disconnected when the stuck output is dropped.
    dropped: Receiver<()>,
}

/// A pipeline with an output that is stuck with the first sample, for which the router waits.
fn rig(
    builder: impl FnOnce(PipelineBuilder) -> PipelineBuilder,
    queue: QueuePolicy,
    failure: Option<Failure>,
) -> Rig {
    let (plain, clock) = one_source();
    let mut builder = builder(plain);
    let (sender, dropped) = channel();
    let mut inner = Gated::default();
    inner.failure = failure;
    let (gate, recording) = (inner.gate.clone(), inner.recording());
    let output = Stuck {
        inner,
        _dropped: sender,
    };
    builder.output("out", output).queue(queue);
    let pipeline = builder.start().unwrap();
    gate.wait_for_visitor();
    for _ in 0..3 {
        pipeline.control().trigger(&pattern("src")).unwrap();
    }
    Rig {
        pipeline,
        clock,
        gate,
        recording,
        dropped,
    }
}

fn pattern(text: &str) -> Pattern {
    text.parse().unwrap()
}

/// A full queue holds everything up.
const NARROW: QueuePolicy = QueuePolicy {
    capacity: 1,
    on_full: OnFull::Block,
    durable: None,
};

const DURABLE: QueuePolicy = QueuePolicy {
    durable: Some(true),
    ..NARROW
};

/// Stops the stuck output and starts one of its name that works.
#[track_caller]
fn replace(pipeline: &Pipeline, queue: QueuePolicy, answer: &str) -> Recording {
    let control = pipeline.control();
    let error = control.stop(&pattern("out")).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("outputs/embedded/out: it does not end within 5 s; {answer}")
    );
    assert!(control.list(&pattern("out")).unwrap().is_empty());
    let mut specs = ElementSpecs::default();
    let output = RecordingOutput::new();
    let recording = output.recording();
    specs.output("out", output).queue(queue);
    control.add(PipelineBuilder::EMBEDDED, specs).unwrap();
    recording
}

const GOES_ON: &str = "it goes on in the background until it has written what it has or the pipeline ends";

fn account(pipeline: &Pipeline) -> OutputAccount {
    let ledger = pipeline.control().status().unwrap().ledger;
    assert_balanced(&ledger);
    ledger.outputs.into_values().next().unwrap()
}

#[test]
fn an_output_that_is_stuck_writes_what_it_has_beside_the_new_one_of_its_name() {
    let rig = rig(|builder| builder, NARROW, None);
    let _opener = Opener(&rig.gate);
    let new = replace(&rig.pipeline, QueuePolicy::default(), GOES_ON);
    pass(&rig.pipeline, &rig.clock, 1);
    assert_eq!(values(&new), ["5"]);
    // What the new one has in memory is no affair of the old one when that ends.
    let control = rig.pipeline.control();
    control.pause(&pattern("out")).unwrap();
    control.trigger(&pattern("src")).unwrap();
    wait_until("the sample is in the queue", || {
        account(&rig.pipeline).offered == 6
    });
    rig.gate.open();
    let _ = rig.dropped.recv_timeout(PATIENCE);
    assert_eq!(values(&rig.recording), ["1", "2", "3", "4"]);
    control.resume(&pattern("out")).unwrap();
    control.flush().unwrap();
    let account = account(&rig.pipeline);
    assert_eq!(
        (account.delivered, account.dropped_total()),
        (6, 0),
        "{account:?}"
    );
    assert!(!rig.pipeline.outputs_ended().is_cancelled());
}

#[test]
fn an_output_that_leaves_with_an_error_is_not_the_last_one_that_ends_by_itself() {
    let rig = rig(
        |builder| builder,
        NARROW,
        Some(Failure::end("the reader is gone")),
    );
    let _opener = Opener(&rig.gate);
    rig.pipeline.control().stop(&pattern("out")).unwrap_err();
    rig.gate.open();
    let _ = rig.dropped.recv_timeout(PATIENCE);
    let report = rig.pipeline.stop(PATIENCE);
    assert_balanced(&report.ledger);
    assert!(!rig.pipeline.outputs_ended().is_cancelled());
}

#[test]
fn an_output_that_is_still_stuck_when_the_pipeline_ends_is_abandoned_and_named() {
    let rig = rig(|builder| builder, NARROW, None);
    let _opener = Opener(&rig.gate);
    let new = replace(&rig.pipeline, QueuePolicy::default(), GOES_ON);
    let report = rig.pipeline.stop(Duration::ZERO);
    assert_eq!(report.stuck, ["outputs/embedded/out"]);
    assert_balanced(&report.ledger);
    let account = report.ledger.outputs.values().next().unwrap();
    assert_eq!(account.buffered, 0, "{account:?}");
    assert_eq!(account.delivered, new.len() as u64);
}

#[test]
fn what_a_stuck_durable_output_has_not_written_is_written_once_by_the_new_one_of_its_name() {
    let spool = MemorySpool::default();
    let failure = Some(Failure::end("the reader is gone"));
    let rig = rig(|builder| builder.spool(spool.slot()), DURABLE, failure);
    let _opener = Opener(&rig.gate);
    let stays = "it is abandoned, and what it has not written stays in the spool";
    let new = replace(&rig.pipeline, DURABLE, stays);
    pass(&rig.pipeline, &rig.clock, 1);
    rig.gate.open();
    let _ = rig.dropped.recv_timeout(PATIENCE);
    assert!(
        spool.follows("embedded/out"),
        "the old one has given up the spool of the new one"
    );
    pass(&rig.pipeline, &rig.clock, 1);
    assert_eq!(values(&new), ["1", "2", "3", "4", "5", "6"]);
    let account = account(&rig.pipeline);
    assert_eq!((account.delivered, account.buffered), (6, 0), "{account:?}");
}

static CLOG: LazyLock<Gate> = LazyLock::new(Gate::default);

/// A plugin with an output that is stuck.
struct Clogged;

#[derive(Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Config {}

impl Plugin for Clogged {
    const ID: &'static str = "clogged";
    const SUMMARY: &'static str = "Is stuck.";
    type Config = Config;

    fn start(_: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let mut output = Gated::default();
        output.gate = CLOG.clone();
        alumet.output("out", output).queue(NARROW);
        Ok(Self)
    }
}

#[test]
fn a_plugin_whose_output_is_stuck_can_be_stopped_and_started_again() {
    let (mut builder, _) = one_source();
    builder.plugin::<Clogged>(Config {}).unwrap();
    let pipeline = builder.start().unwrap();
    let _opener = Opener(&CLOG);
    CLOG.wait_for_visitor();
    let error = pipeline.stop_plugin("clogged").unwrap_err().to_string();
    assert!(error.starts_with("outputs/clogged/out: "), "{error}");
    let descriptor = PluginDescriptor::of::<Clogged>();
    let mut nothing = <dyn erased_serde::Deserializer<'_>>::erase(toml::Table::new());
    let config = descriptor.parse(&mut nothing).unwrap();
    pipeline.start_plugin(&descriptor, &config).unwrap();
    assert_eq!(pipeline.control().list(&pattern("out")).unwrap().len(), 1);
}
