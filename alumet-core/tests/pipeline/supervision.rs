use std::sync::Arc;

use alumet_core::failure::Failure;
use alumet_core::output::RecordingOutput;
use alumet_core::pipeline::{ElementState, EventSink, Pipeline, PipelineBuilder};
use alumet_core::source::EventSource;
use alumet_core::testkit::{ManualClock, assert_lines};
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::elements::{
    Counting, PATIENCE, SECOND, Step, Unreliable, lines, one_source, pass, status_of, wait_until,
};
use crate::gated::{Gated, Opener};

fn with_scripted(
    steps: Vec<Step>,
) -> (
    Pipeline,
    alumet_core::output::Recording,
    ManualClock,
    Arc<Mutex<u32>>,
) {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
    let scripted = Counting::new(builder.catalog(), "scripted").script(steps);
    let resets = scripted.resets();
    let steady = Counting::new(builder.catalog(), "steady");
    builder.source("scripted", scripted);
    builder.source("steady", steady);
    let output = RecordingOutput::new();
    let recording = output.recording();
    builder.output("recording", output);
    let pipeline = builder.start().unwrap();
    pipeline.control().flush().unwrap();
    (pipeline, recording, clock, resets)
}

fn state(pipeline: &Pipeline, name: &str) -> ElementState {
    let status = pipeline.control().status().unwrap();
    status
        .elements
        .iter()
        .find(|element| element.key.name == name)
        .unwrap()
        .state
}

/// What the status says of an element that stands still.
fn stands_still(pipeline: &Pipeline, name: &str) -> Option<String> {
    status_of(pipeline, name).stands_still()
}

#[test]
fn an_output_that_finishes_nothing_of_what_waits_stands_still_until_it_moves() {
    let (mut builder, clock) = one_source();
    let output = Gated::default();
    let gate = output.gate.clone();
    let _open = Opener(&gate);
    builder.output("slow", output);
    let pipeline = builder.start().unwrap();
    gate.wait_for_visitor();
    assert_eq!(stands_still(&pipeline, "slow"), None);
    clock.advance(SECOND * 59);
    assert_eq!(stands_still(&pipeline, "slow"), None);
    clock.advance(SECOND * 2);
    let said = "outputs/embedded/slow has written none of the samples that wait for it for 61 s";
    assert_eq!(stands_still(&pipeline, "slow").as_deref(), Some(said));
    // Whoever paused it knows.
    let output = "out".parse().unwrap();
    pipeline.control().pause(&output).unwrap();
    assert_eq!(stands_still(&pipeline, "slow"), None);
    pipeline.control().resume(&output).unwrap();
    assert_eq!(stands_still(&pipeline, "slow"), None);
    clock.advance(SECOND * 60);
    assert!(stands_still(&pipeline, "slow").is_some());

    gate.open();
    pipeline.control().flush().unwrap();
    assert_eq!(stands_still(&pipeline, "slow"), None);
    pipeline.control().pause(&"src".parse().unwrap()).unwrap();
    pipeline.control().flush().unwrap();
    clock.advance(SECOND * 1000);
    assert_eq!(stands_still(&pipeline, "slow"), None, "nothing waits");
}

#[test]
fn an_output_that_joins_what_comes_in_minutes_does_not_stand_still_meanwhile() {
    let (mut builder, clock) = one_source();
    let recording = RecordingOutput::new();
    builder
        .output("joined", recording)
        .joined(1_000_000, SECOND * 300);
    let pipeline = builder.start().unwrap();
    let waits = || {
        pipeline
            .control()
            .status()
            .unwrap()
            .ledger
            .outputs
            .values()
            .any(|a| a.buffered > 0)
    };
    wait_until("a sample waits", waits);
    clock.advance(SECOND * 200);
    assert_eq!(stands_still(&pipeline, "joined"), None);
    clock.advance(SECOND * 161);
    assert!(stands_still(&pipeline, "joined").is_some());
}

#[test]
fn an_event_source_that_has_not_got_on_with_what_waits_for_it_stands_still() {
    struct Busy(Arc<Mutex<Option<u64>>>);

    #[async_trait]
    impl EventSource for Busy {
        async fn run(&mut self, out: EventSink, stop: CancellationToken) -> Result<(), Failure> {
            let done = Arc::clone(&self.0);
            out.on_status(move || *done.lock());
            stop.cancelled().await;
            Ok(())
        }
    }

    let (mut builder, clock) = one_source();
    let done = Arc::new(Mutex::new(Some(7)));
    builder.event_source("busy", Busy(Arc::clone(&done)));
    let pipeline = builder.start().unwrap();
    wait_until("it tells", || status_of(&pipeline, "busy").stalled.is_some());
    clock.advance(SECOND * 60);
    let said = "sources/embedded/busy has taken nothing of what waits for it for 60 s";
    assert_eq!(stands_still(&pipeline, "busy").as_deref(), Some(said));
    *done.lock() = Some(8);
    assert_eq!(stands_still(&pipeline, "busy"), None);
    *done.lock() = None;
    clock.advance(SECOND * 60);
    assert_eq!(stands_still(&pipeline, "busy"), None, "nothing waits");
}

#[test]
fn a_source_that_panics_is_reported_and_restarts_while_others_go_on() {
    let (pipeline, recording, clock, resets) = with_scripted(vec![Step::Work, Step::Panic]);
    pass(&pipeline, &clock, 1);
    assert_eq!(state(&pipeline, "scripted"), ElementState::Restarting);
    let status = pipeline
        .control()
        .list(&"src/*/scripted".parse().unwrap())
        .unwrap();
    assert_eq!(
        status[0].last_error.as_deref(),
        Some("it panicked: the script says so")
    );
    pass(&pipeline, &clock, 2);
    assert_eq!(state(&pipeline, "scripted"), ElementState::Running);
    assert_eq!(*resets.lock(), 1);
    pipeline.stop(PATIENCE);
    let steady = lines(&recording)
        .into_iter()
        .filter(|line| line.contains("steady"));
    let expected = (1..=5).map(|n| format!("count local_machine local_machine {{source=steady}} = {n}"));
    assert_lines(steady, expected);
}

#[test]
fn what_was_pushed_before_a_failure_is_kept() {
    let steps = vec![
        Step::Fail(Failure::retry("busy")),
        Step::Fail(Failure::restart("broken")),
        Step::Panic,
    ];
    let (pipeline, recording, clock, _) = with_scripted(steps);
    pass(&pipeline, &clock, 10);
    let scripted = lines(&recording)
        .into_iter()
        .filter(|line| line.contains("scripted"))
        .take(3);
    let expected = (1..=3).map(|n| format!("count local_machine local_machine {{source=scripted}} = {n}"));
    assert_lines(scripted, expected);
}

#[test]
fn a_failure_that_can_be_retried_does_not_reset() {
    let (pipeline, _, clock, resets) = with_scripted(vec![Step::Fail(Failure::retry("busy"))]);
    pipeline.control().flush().unwrap();
    assert_eq!(state(&pipeline, "scripted"), ElementState::Failing);
    pass(&pipeline, &clock, 1);
    assert_eq!(state(&pipeline, "scripted"), ElementState::Running);
    assert_eq!(*resets.lock(), 0);
}

#[test]
fn a_source_that_keeps_failing_is_tried_less_and_less_often() {
    let steps = (0..100)
        .map(|_| Step::Fail(Failure::restart("no device")))
        .collect();
    let (pipeline, _, clock, resets) = with_scripted(steps);
    pass(&pipeline, &clock, 30);
    // Polled at 0, then after pauses of 1, 2, 4, 8 and (beyond) 16 seconds: 0, 1, 3, 7, 15.
    assert_eq!(*resets.lock(), 4);
}

#[test]
fn the_end_of_the_last_output_is_announced_and_not_that_of_another() {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
    let source = Counting::new(builder.catalog(), "a");
    builder.source("a", source);
    let (first, last) = (Unreliable::default(), Unreliable::default());
    first.script.lock().push_back(Failure::end("the reader is gone"));
    let script = Arc::clone(&last.script);
    builder.output("first", first);
    builder.output("last", last);
    let pipeline = builder.start().unwrap();
    pass(&pipeline, &clock, 1);
    wait_until("the first output has ended", || {
        status_of(&pipeline, "first").state == ElementState::Ended
    });
    assert!(!pipeline.outputs_ended().is_cancelled());
    script.lock().push_back(Failure::end("the reader is gone"));
    clock.advance(SECOND);
    wait_until("the end of the last one is announced", || {
        pipeline.outputs_ended().is_cancelled()
    });
}

#[test]
fn a_source_that_has_ended_is_forgotten_and_the_last_one_is_announced() {
    let (pipeline, _, clock, _) = with_scripted(vec![
        Step::Work,
        Step::Fail(Failure::end("the process has ended")),
    ]);
    pass(&pipeline, &clock, 1);
    let names: Vec<_> = pipeline
        .control()
        .status()
        .unwrap()
        .elements
        .into_iter()
        .map(|e| e.key.name)
        .collect();
    assert!(!names.contains(&"scripted".to_owned()), "{names:?}");
    assert!(!pipeline.sources_ended().is_cancelled());
    pipeline
        .control()
        .stop(&"sources/*/steady".parse().unwrap())
        .unwrap();
    assert!(pipeline.sources_ended().is_cancelled());
}

#[test]
fn a_pipeline_that_measures_only_itself_has_no_source_left() {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone())).self_metrics(SECOND);
    let source = Counting::new(builder.catalog(), "a");
    builder.source("a", source);
    let pipeline = builder.start().unwrap();
    let sources = "sources/*/a".parse().unwrap();
    pipeline.control().stop(&sources).unwrap();
    assert!(pipeline.sources_ended().is_cancelled());
}
