//! Transforms that fail, and are reset or not; outputs that fail, and are tried again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alumet_core::failure::Failure;
use alumet_core::output::{Delivering, Delivery, Output, QueuePolicy, Recording, RecordingOutput};
use alumet_core::pipeline::{DropReason, ElementState, EventSink, Pipeline, PipelineBuilder};
use alumet_core::plugin::ElementSpecs;
use alumet_core::source::EventSource;
use alumet_core::testkit::ManualClock;
use alumet_core::transform::{Transform, TransformContext};
use alumet_core::{Batch, Consumer, Resource, Timestamp, Value};
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::elements::{
    COUNT, Counting, PATIENCE, SECOND, Step, assert_balanced, counting_pipeline, pass, status_of, values,
    wait_until,
};
use crate::spool::MemorySpool;

/// Sets all values to how often it has worked since it was reset, then does as the script says.
#[derive(Default)]
struct Numbering {
    number: u64,
    script: VecDeque<Step>,
    resets: Arc<Mutex<u32>>,
    fails_to_reset: bool,
    fails_at_the_end: bool,
}

impl Transform for Numbering {
    fn apply(&mut self, batch: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        self.number += 1;
        let samples: Vec<_> = batch.samples().collect();
        batch.retain(|_| false);
        for sample in samples {
            let handle = context
                .catalog
                .register(context.catalog.describe(sample.series).unwrap().key.clone());
            batch
                .push_value(&handle, sample.timestamp, Value::U64(self.number))
                .unwrap();
        }
        match self.script.pop_front() {
            None | Some(Step::Work) => Ok(()),
            Some(Step::Fail(failure)) => Err(failure),
            Some(Step::Panic) => panic!("the script says so"),
        }
    }

    fn finish(&mut self, _: &mut Batch, _: &TransformContext<'_>) -> Result<(), Failure> {
        assert!(!self.fails_at_the_end, "it panics at its end");
        Ok(())
    }

    fn reset(&mut self) {
        *self.resets.lock() += 1;
        self.number = 0;
        assert!(!self.fails_to_reset, "it panics when it is reset");
    }
}

fn start(transform: Numbering) -> (Pipeline, Recording, ManualClock) {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
    let source = Counting::new(builder.catalog(), "a");
    builder.source("a", source);
    builder.transform("numbering", transform);
    let output = RecordingOutput::new();
    let recording = output.recording();
    builder.output("recording", output);
    let pipeline = builder.start().unwrap();
    pipeline.control().flush().unwrap();
    (pipeline, recording, clock)
}

#[test]
fn a_transform_that_panics_rests_is_reset_once_and_works_again() {
    for fails_to_reset in [false, true] {
        let transform = Numbering {
            script: VecDeque::from([Step::Work, Step::Panic]),
            fails_to_reset,
            ..Numbering::default()
        };
        let resets = Arc::clone(&transform.resets);
        let (pipeline, recording, clock) = start(transform);
        pass(&pipeline, &clock, 1);
        let status = status_of(&pipeline, "numbering");
        assert_eq!(status.state, ElementState::Restarting);
        assert_eq!(
            status.last_error.as_deref(),
            Some("it panicked: the script says so")
        );
        // Before its pause is over, samples pass as they are.
        pipeline.control().trigger(&"src".parse().unwrap()).unwrap();
        pipeline.control().flush().unwrap();
        pass(&pipeline, &clock, 3);
        assert_eq!(values(&recording), ["1", "2", "3", "1", "2", "3"]);
        assert_eq!(*resets.lock(), 1);
        let status = status_of(&pipeline, "numbering");
        assert_eq!(status.state, ElementState::Running);
        assert_eq!((status.calls, status.failures, status.restarts), (5, 1, 1));
        assert_balanced(&pipeline.control().status().unwrap().ledger);
    }
}

#[test]
fn a_transform_that_can_try_again_gets_the_next_batch_without_a_reset() {
    let transform = Numbering {
        script: VecDeque::from([
            Step::Fail(Failure::retry("no window yet")),
            Step::Fail(Failure::skip("not a number")),
        ]),
        ..Numbering::default()
    };
    let resets = Arc::clone(&transform.resets);
    let (pipeline, recording, clock) = start(transform);
    assert_eq!(status_of(&pipeline, "numbering").state, ElementState::Failing);
    pass(&pipeline, &clock, 2);
    assert_eq!(values(&recording), ["1", "2", "3"]);
    assert_eq!(*resets.lock(), 0);
    assert_eq!(status_of(&pipeline, "numbering").state, ElementState::Running);
}

#[test]
fn a_transform_that_panics_at_its_end_takes_nothing_with_it() {
    let transform = Numbering {
        fails_at_the_end: true,
        ..Numbering::default()
    };
    let (pipeline, recording, clock) = start(transform);
    pass(&pipeline, &clock, 1);
    let report = pipeline.stop(PATIENCE);
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(values(&recording), ["1", "2", "3"]);
    let status = status_of(&pipeline, "numbering");
    assert_eq!(status.state, ElementState::Ended);
    assert_eq!(
        status.last_error.as_deref(),
        Some("it panicked: it panics at its end")
    );
}

#[test]
fn a_transform_that_ended_itself_lets_samples_pass() {
    let transform = Numbering {
        script: VecDeque::from([Step::Work, Step::Fail(Failure::end("the model is done"))]),
        ..Numbering::default()
    };
    let (pipeline, recording, clock) = start(transform);
    pass(&pipeline, &clock, 3);
    assert_eq!(values(&recording), ["1", "2", "3", "4"]);
    assert_eq!(status_of(&pipeline, "numbering").state, ElementState::Ended);
}

/// Appends a digit to every value.
struct Digit(u64);

impl Transform for Digit {
    fn apply(&mut self, batch: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        let samples: Vec<_> = batch.samples().collect();
        batch.retain(|_| false);
        for sample in samples {
            let key = context.catalog.describe(sample.series).unwrap().key.clone();
            let value = sample.value().as_f64() as u64 * 10 + self.0;
            let handle = context.catalog.register(key);
            batch
                .push_value(&handle, sample.timestamp, Value::U64(value))
                .unwrap();
        }
        Ok(())
    }
}

#[test]
fn a_transform_added_later_comes_after_those_that_are_there() {
    let (pipeline, recording, clock) = counting_pipeline();
    for digit in 7..=9 {
        let name = format!("digit{digit}");
        let mut specs = ElementSpecs::default();
        specs.transform(name.clone(), Digit(digit));
        pipeline.control().add(&name, specs).unwrap();
    }
    pass(&pipeline, &clock, 1);
    assert_eq!(values(&recording), ["1", "2789"]);
}

/// Fails so often, then records; keeps the times of all attempts.
#[derive(Default)]
struct Persistent {
    inner: RecordingOutput,
    failures: usize,
    attempts: Arc<Mutex<Vec<Instant>>>,
}

impl Output for Persistent {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        self.attempts.lock().push(Instant::now());
        if self.failures > 0 {
            self.failures -= 1;
            return Err(Failure::retry("connection refused"));
        }
        self.inner.deliver(delivery)
    }
}

fn persistent(failures: usize, in_task: bool) -> (Pipeline, Recording, Arc<Mutex<Vec<Instant>>>) {
    let mut builder = PipelineBuilder::with_clock(Arc::new(ManualClock::new()));
    let source = Counting::new(builder.catalog(), "a");
    builder.source("a", source);
    let output = Persistent {
        failures,
        ..Persistent::default()
    };
    let (recording, attempts) = (output.inner.recording(), Arc::clone(&output.attempts));
    let spec = builder.output("out", output);
    if in_task {
        spec.in_flight(1);
    }
    (builder.start().unwrap(), recording, attempts)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_output_that_fails_is_tried_less_and_less_often_and_more_often_when_the_end_is_near() {
    for in_task in [false, true] {
        tokio::task::spawn_blocking(move || {
            let (pipeline, recording, attempts) = persistent(5 + 8, in_task);
            wait_until("five attempts", || attempts.lock().len() == 5);
            // With pauses of at least 0.8, 1.6, 3.2 and 5 s, these eight would not fit into the time.
            let report = pipeline.stop(PATIENCE);
            assert!(report.is_complete(), "{report:?}");
            assert_eq!(values(&recording), ["1", "2"]);
            let attempts = attempts.lock();
            assert_eq!(attempts.len(), 5 + 8 + 2);
            for (attempt, millis) in [(1, 50), (2, 150), (3, 350), (4, 750)] {
                let since = attempts[attempt] - attempts[0];
                assert!(
                    since >= Duration::from_millis(millis),
                    "attempt {attempt} after {since:?}"
                );
            }
        })
        .await
        .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_asynchronous_output_that_fails_until_the_end_is_given_up_and_ends_by_itself() {
    tokio::task::spawn_blocking(move || {
        let (pipeline, recording, attempts) = persistent(1_000_000, true);
        wait_until("three attempts", || attempts.lock().len() == 3);
        let report = pipeline.stop(Duration::from_millis(10));
        assert_eq!(report.stuck, [""; 0]);
        let account = report.ledger.outputs.values().next().unwrap();
        assert_eq!(account.dropped[&DropReason::Shutdown], 2);
        assert_eq!(status_of(&pipeline, "out").state, ElementState::Ended);
        assert!(recording.is_empty());
        assert_balanced(&report.ledger);
    })
    .await
    .unwrap();
}

/// Panics over a batch with a certain value, and keeps the others.
struct Squeamish {
    inner: RecordingOutput,
    hates: u64,
    attempts: Arc<Mutex<u32>>,
}

impl Output for Squeamish {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        if delivery
            .samples()
            .any(|sample| sample.value() == Value::U64(self.hates))
        {
            *self.attempts.lock() += 1;
            panic!("not {}", self.hates);
        }
        self.inner.deliver(delivery)
    }
}

#[test]
fn what_an_output_panics_over_each_time_is_refused_and_all_else_is_written() {
    for durable in [false, true] {
        for (joined, expected) in [(0, 3), (5, 5)] {
            let spool = MemorySpool::default();
            let mut builder = PipelineBuilder::new().spool(spool.slot());
            let source = Counting::new(builder.catalog(), "a");
            builder.source("a", source).on_request();
            let (inner, attempts) = (RecordingOutput::new(), Arc::<Mutex<u32>>::default());
            let recording = inner.recording();
            let output = Squeamish {
                inner,
                hates: 3,
                attempts: Arc::clone(&attempts),
            };
            let policy = QueuePolicy {
                durable: Some(durable),
                ..QueuePolicy::default()
            };
            let spec = builder.output("out", output).queue(policy);
            spec.joined(joined, 100 * SECOND);
            let pipeline = builder.start().unwrap();
            for _ in 0..5 {
                pipeline.control().trigger(&"src".parse().unwrap()).unwrap();
            }
            wait_until("the others are written", || values(&recording).len() == 4);
            let report = pipeline.stop(PATIENCE);
            assert_eq!(values(&recording), ["1", "2", "4", "5"]);
            assert_eq!(*attempts.lock(), expected);
            assert_balanced(&report.ledger);
            let account = report.ledger.outputs.values().next().unwrap();
            assert_eq!(account.dropped[&DropReason::Rejected], 1, "{account:?}");
        }
    }
}

#[test]
fn a_batch_that_is_larger_than_a_server_takes_goes_on_in_parts() {
    let mut builder = PipelineBuilder::new();
    builder.event_source("many", Many);
    let output = RecordingOutput::new();
    let (recording, parts) = (output.recording(), Arc::<Mutex<Vec<_>>>::default());
    let sizes = Sizes(output, Arc::clone(&parts));
    builder.output("out", sizes);
    let pipeline = builder.start().unwrap();
    wait_until("all have come", || {
        recording.samples().len() == Batch::LARGEST * 2 + 1
    });
    let report = pipeline.stop(PATIENCE);
    assert_eq!(*parts.lock(), [Batch::LARGEST, Batch::LARGEST, 1]);
    assert_balanced(&report.ledger);
}

/// Sends one batch that is too large.
struct Many;

#[async_trait]
impl EventSource for Many {
    async fn run(&mut self, out: EventSink, stop: CancellationToken) -> Result<(), Failure> {
        let metric = out.catalog().metric(&COUNT)?;
        let series = out
            .catalog()
            .series(metric, Resource::LocalMachine, Consumer::LocalMachine);
        let series = series.register();
        let mut batch = out.batch();
        for number in 0..Batch::LARGEST * 2 + 1 {
            batch.push(&series, Timestamp::from_nanos(number as i64), number as u64);
        }
        out.send(batch).await?;
        stop.cancelled().await;
        Ok(())
    }
}

/// Keeps the sizes of deliveries.
struct Sizes(RecordingOutput, Arc<Mutex<Vec<usize>>>);

impl Output for Sizes {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        self.1.lock().push(delivery.len());
        self.0.deliver(delivery)
    }
}
