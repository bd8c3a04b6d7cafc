//! What a request is answered when an element fails while it is carried out, and requests that others cannot see.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alumet_core::failure::Failure;
use alumet_core::output::{Delivering, Delivery, NullOutput, OnFull, Output, QueuePolicy, RecordingOutput};
use alumet_core::pipeline::{ControlError, ElementState, EventSink, Pipeline, PipelineBuilder};
use alumet_core::source::{Accumulator, EventSource, Source};
use alumet_core::testkit::ManualClock;
use alumet_core::transform::{Transform, TransformContext};
use alumet_core::{Batch, Consumer, Resource};
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::elements::{
    COUNT, Counting, PATIENCE, SECOND, Step, assert_balanced, counting_pipeline, one_source, pass, status_of,
    values, wait_until,
};
use crate::gated::{Gate, Gated, Opener};

/// Fails as often as it is told to.
#[derive(Clone, Default)]
struct Failing {
    failures: Arc<Mutex<u32>>,
}

impl Output for Failing {
    fn deliver(&mut self, _: &Delivery) -> Result<Delivering, Failure> {
        let mut left = self.failures.lock();
        if *left == 0 {
            return Ok(Delivering::done());
        }
        *left -= 1;
        Err(Failure::retry("the server is away"))
    }
}

fn check_flushes(builder: PipelineBuilder, output: &Failing) {
    let pipeline = builder.start().unwrap();
    let control = pipeline.control();
    control.flush().unwrap();
    assert_eq!(status_of(&pipeline, "out").state, ElementState::Running);
    *output.failures.lock() = 1_000_000;
    control.trigger(&"src".parse().unwrap()).unwrap();
    let error = control.flush().unwrap_err();
    assert_eq!(error.to_string(), "outputs/embedded/out: the server is away");
    let ControlError::Failed(problems) = error else {
        panic!("another error: {error}");
    };
    assert_eq!(problems.len(), 1);
    let status = status_of(&pipeline, "out");
    assert_eq!(status.state, ElementState::Failing);
    assert!(status.failures > 0);
    *output.failures.lock() = 0;
    control.trigger(&"src".parse().unwrap()).unwrap();
    control.flush().unwrap();
    assert_eq!(status_of(&pipeline, "out").state, ElementState::Running);
    *output.failures.lock() = 1_000_000;
    control.trigger(&"src".parse().unwrap()).unwrap();
    let error = control.stop(&"out".parse().unwrap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "outputs/embedded/out: the server is away; it goes on in the background until it has written what it has or the \
         pipeline ends"
    );
    assert!(control.list(&"out".parse().unwrap()).unwrap().is_empty());
}

#[test]
fn who_asks_for_a_flush_or_a_stop_is_told_at_once_that_the_output_fails() {
    let (mut builder, _) = one_source();
    let output = Failing::default();
    builder.output("out", output.clone());
    check_flushes(builder, &output);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_an_asynchronous_output_for_a_flush_is_told_that_it_fails() {
    let (mut builder, _) = one_source();
    let output = Failing::default();
    builder.output("out", output.clone()).in_flight(1);
    tokio::task::spawn_blocking(move || check_flushes(builder, &output))
        .await
        .unwrap();
}

#[test]
fn who_triggers_a_source_is_told_that_its_poll_failed_and_not_that_an_earlier_one_did() {
    let (mut builder, _) = {
        let clock = ManualClock::new();
        (PipelineBuilder::with_clock(Arc::new(clock.clone())), clock)
    };
    let source = Counting::new(builder.catalog(), "a")
        .script([Step::Fail(Failure::retry("the bus is busy")), Step::Work]);
    builder.source("a", source).on_request();
    let other = Counting::new(builder.catalog(), "b");
    builder.source("b", other).on_request();
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    let trigger = || pipeline.control().trigger(&"src".parse().unwrap());
    assert_eq!(
        trigger().unwrap_err().to_string(),
        "sources/embedded/a: the bus is busy"
    );
    assert_eq!(trigger().unwrap().len(), 2);
}

struct Endless;

#[async_trait]
impl EventSource for Endless {
    async fn run(&mut self, _: EventSink, stop: CancellationToken) -> Result<(), Failure> {
        stop.cancelled().await;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_source_can_be_stopped_and_nothing_else() {
    let mut builder = PipelineBuilder::new();
    builder.event_source("endless", Endless);
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    let sources_ended = pipeline.sources_ended();
    tokio::task::spawn_blocking(move || {
        let control = pipeline.control();
        let pattern = "src".parse().unwrap();
        for (error, expected) in [
            (
                control.pause(&pattern).unwrap_err(),
                "cannot pause: it is driven by events; stop it instead",
            ),
            (
                control.resume(&pattern).unwrap_err(),
                "cannot resume: it is driven by events; stop it instead",
            ),
            (
                control.trigger(&pattern).unwrap_err(),
                "cannot be triggered: it is driven by events",
            ),
            (
                control.set_interval(&pattern, SECOND).unwrap_err(),
                "cannot get an interval: it is driven by events",
            ),
        ] {
            assert_eq!(error.to_string(), format!("sources/embedded/endless {expected}"));
        }
        assert_eq!(control.stop(&pattern).unwrap().len(), 1);
        assert!(control.list(&pattern).unwrap().is_empty());
        pipeline
    })
    .await
    .unwrap();
    sources_ended.cancelled().await;
}

/// Removes everything.
struct Nothing;

impl Transform for Nothing {
    fn apply(&mut self, batch: &mut Batch, _: &TransformContext<'_>) -> Result<(), Failure> {
        batch.retain(|_| false);
        Ok(())
    }
}

#[test]
fn a_paused_transform_lets_samples_pass_until_it_is_resumed() {
    let (mut builder, clock) = one_source();
    builder.transform("nothing", Nothing);
    let output = RecordingOutput::new();
    let recording = output.recording();
    builder.output("recording", output);
    let pipeline = builder.start().unwrap();
    pipeline.control().flush().unwrap();
    let pattern = "tra".parse().unwrap();
    assert_eq!(values(&recording), [""; 0]);
    pipeline.control().pause(&pattern).unwrap();
    assert_eq!(status_of(&pipeline, "nothing").state, ElementState::Paused);
    pass(&pipeline, &clock, 2);
    assert_eq!(values(&recording), ["2", "3"]);
    pipeline.control().resume(&pattern).unwrap();
    assert_eq!(status_of(&pipeline, "nothing").state, ElementState::Running);
    pass(&pipeline, &clock, 1);
    assert_eq!(values(&recording), ["2", "3"]);
    assert_balanced(&pipeline.control().status().unwrap().ledger);
}

fn resumes(pipeline: &Pipeline, recording: &alumet_core::output::Recording) {
    let control = pipeline.control();
    let pattern = "out".parse().unwrap();
    control.flush().unwrap();
    control.pause(&pattern).unwrap();
    assert_eq!(status_of(pipeline, "out").state, ElementState::Paused);
    control.trigger(&"src".parse().unwrap()).unwrap();
    let ledger = || control.status().unwrap().ledger;
    wait_until("the sample waits", || {
        ledger().outputs.values().all(|account| account.buffered == 1)
    });
    assert_eq!(recording.len(), 1);
    control.resume(&pattern).unwrap();
    assert_eq!(status_of(pipeline, "out").state, ElementState::Running);
    // Nothing else happens that could wake it.
    assert!(recording.wait_for(2, PATIENCE));
}

#[test]
fn an_output_that_is_resumed_writes_what_waited_at_once() {
    let (mut builder, _) = one_source();
    let output = RecordingOutput::new();
    let recording = output.recording();
    builder.output("out", output);
    resumes(&builder.start().unwrap(), &recording);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_asynchronous_output_that_is_resumed_writes_what_waited_at_once() {
    let (mut builder, _) = one_source();
    let output = RecordingOutput::new();
    let recording = output.recording();
    builder.output("out", output).in_flight(1);
    tokio::task::spawn_blocking(move || resumes(&builder.start().unwrap(), &recording))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_asynchronous_output_makes_room_for_those_who_wait() {
    let (mut builder, _) = one_source();
    let output = RecordingOutput::new();
    let recording = output.recording();
    builder.output("out", output).in_flight(1).queue(QueuePolicy {
        capacity: 1,
        on_full: OnFull::Block,
        ..QueuePolicy::default()
    });
    tokio::task::spawn_blocking(move || {
        let pipeline = builder.start().unwrap();
        for _ in 0..200 {
            pipeline.control().trigger(&"src".parse().unwrap()).unwrap();
        }
        assert!(recording.wait_for(201, PATIENCE));
        let ledger = pipeline.stop(PATIENCE).ledger;
        assert_eq!(ledger.dropped_total(), 0);
        assert_balanced(&ledger);
    })
    .await
    .unwrap();
}

#[test]
fn an_element_that_fails_while_it_is_paused_stays_paused() {
    for failure in [None, Some(Failure::retry("no space left on device"))] {
        let (mut builder, _) = one_source();
        let mut output = Gated::default();
        output.failure = failure;
        let (gate, recording) = (output.gate.clone(), output.recording());
        builder.output("out", output);
        let pipeline = builder.start().unwrap();
        let _opener = Opener(&gate);
        gate.wait_for_visitor();
        pipeline.control().pause(&"out".parse().unwrap()).unwrap();
        gate.open();
        wait_until("the attempt is over", || status_of(&pipeline, "out").calls > 0);
        assert_eq!(status_of(&pipeline, "out").state, ElementState::Paused);
        pipeline.control().resume(&"out".parse().unwrap()).unwrap();
        assert!(recording.wait_for(1, PATIENCE));
        pipeline.control().flush().unwrap();
        assert_eq!(status_of(&pipeline, "out").state, ElementState::Running);
    }
}

#[test]
fn samples_are_kept_back_until_the_last_hold_is_dropped() {
    let (pipeline, recording, clock) = counting_pipeline();
    let control = pipeline.control();
    let (first, second) = (control.hold().unwrap(), control.hold().unwrap());
    clock.advance(SECOND);
    control.ping().unwrap();
    drop(first);
    // The answer comes after the release before it was obeyed.
    drop(control.hold().unwrap());
    control.flush().unwrap();
    assert_eq!(values(&recording), ["1"]);
    drop(second);
    pass(&pipeline, &clock, 1);
    assert_eq!(values(&recording), ["1", "2", "3"]);
}

#[test]
fn a_program_that_can_reload_is_asked_to_and_its_answer_comes_back() {
    let (pipeline, _, _) = counting_pipeline();
    let control = pipeline.control();
    assert!(matches!(control.reload(), Err(ControlError::NothingToReload)));
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    control.on_reload(Box::new(move || {
        *count.lock() += 1;
        if *count.lock() == 1 {
            Ok("one plugin was started".to_owned())
        } else {
            Err("line 3: unknown key `intervall`".to_owned())
        }
    }));
    control.on_reload(Box::new(|| Ok("the first choice stays".to_owned())));
    assert_eq!(control.reload().unwrap(), "one plugin was started");
    let error = control.reload().unwrap_err().to_string();
    assert!(
        error.ends_with("the old one stays:\nline 3: unknown key `intervall`"),
        "{error}"
    );
    assert_eq!(*asked.lock(), 2);
}

#[test]
fn a_request_to_flush_is_not_pushed_out_of_a_full_queue() {
    let (mut builder, _) = one_source();
    let output = Gated::default();
    let gate = output.gate.clone();
    builder.output("out", output).queue(QueuePolicy {
        capacity: 2,
        on_full: OnFull::DropOldest,
        ..QueuePolicy::default()
    });
    let pipeline = builder.start().unwrap();
    let _opener = Opener(&gate);
    gate.wait_for_visitor();
    let is_open = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let flush = scope.spawn(|| {
            let result = pipeline.control().flush();
            (result, is_open.load(Ordering::SeqCst))
        });
        let control = pipeline.control();
        // Sooner or later one of these comes after the request.
        for _ in 0..100 {
            control.trigger(&"src".parse().unwrap()).unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
        is_open.store(true, Ordering::SeqCst);
        gate.open();
        let (result, was_open) = flush.join().unwrap();
        assert!(
            was_open || result.is_err(),
            "it was granted before anything was written"
        );
    });
    let ledger = pipeline.stop(PATIENCE).ledger;
    assert!(ledger.dropped_total() > 50);
    assert_balanced(&ledger);
}

#[test]
fn a_request_that_a_busy_element_cannot_answer_ends_with_a_message() {
    /// Waits at a gate in its second poll.
    struct Busy(Gate, bool);
    impl Source for Busy {
        fn poll(&mut self, _: &mut Accumulator<'_>) -> Result<(), Failure> {
            if std::mem::replace(&mut self.1, true) {
                self.0.pass();
            }
            Ok(())
        }
    }
    let (mut builder, _) = one_source();
    let output = Gated::default();
    let (blocked, busy) = (output.gate.clone(), Gate::default());
    builder.output("out", output);
    builder
        .source("busy", Busy(busy.clone(), false))
        .blocking()
        .on_request();
    let pipeline = builder.start().unwrap();
    let _openers = (Opener(&blocked), Opener(&busy));
    blocked.wait_for_visitor();
    let control = pipeline.control();
    control.trigger(&"src/*/busy".parse().unwrap()).unwrap();
    std::thread::scope(|scope| {
        let trigger = scope.spawn(|| control.trigger(&"src/*/busy".parse().unwrap()).unwrap_err());
        let flush = scope.spawn(|| control.flush().unwrap_err());
        let error = trigger.join().unwrap().to_string();
        assert!(
            error.starts_with("sources/embedded/busy: it has been in a poll for"),
            "{error}"
        );
        let error = flush.join().unwrap();
        assert!(matches!(error, ControlError::Timeout), "{error}");
        assert!(error.to_string().starts_with("no answer within 5 s"), "{error}");
    });
}

#[test]
fn what_waited_for_an_output_that_has_ended_is_let_go() {
    let (mut builder, _) = one_source();
    let mut output = Gated::default();
    output.failure = Some(Failure::end("the reader is gone"));
    let gate = output.gate.clone();
    builder.output("out", output);
    let pipeline = builder.start().unwrap();
    let _opener = Opener(&gate);
    gate.wait_for_visitor();
    let control = pipeline.control();
    for _ in 0..3 {
        control.trigger(&"src".parse().unwrap()).unwrap();
    }
    wait_until("they wait for the output", || {
        control.status().unwrap().ledger.routed == 4
    });
    std::thread::scope(|scope| {
        let flush = scope.spawn(|| control.flush());
        std::thread::sleep(Duration::from_millis(50));
        gate.open();
        let result = flush.join().unwrap();
        assert!(
            !matches!(result, Err(ControlError::Timeout)),
            "the request got no answer"
        );
    });
    let catalog = pipeline.catalog();
    let metric = catalog.metric(&COUNT).unwrap();
    for pid in 0..200 {
        drop(
            catalog
                .series(metric, Resource::LocalMachine, Consumer::Process { pid })
                .register(),
        );
        drop(catalog.batch());
    }
    assert!(catalog.series_slots() < 20, "{} slots", catalog.series_slots());
}
