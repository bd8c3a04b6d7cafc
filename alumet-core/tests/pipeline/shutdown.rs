use std::sync::Arc;
use std::time::{Duration, Instant};

use alumet_core::failure::Failure;
use alumet_core::output::{Delivering, Delivery, OnFull, Output, QueuePolicy};
use alumet_core::pipeline::{DropReason, PipelineBuilder};
use alumet_core::testkit::ManualClock;
use alumet_core::time::SystemClock;

use crate::elements::{Counting, PATIENCE, Unreliable, assert_balanced, counting_pipeline, pass, values};

#[test]
fn everything_polled_before_the_stop_is_written_and_a_last_poll_too() {
    let (pipeline, recording, clock) = counting_pipeline();
    pass(&pipeline, &clock, 3);
    clock.advance(Duration::from_millis(400));
    let report = pipeline.stop(PATIENCE);
    assert_eq!(values(&recording), ["1", "2", "3", "4", "5"]);
    assert_eq!(
        recording.samples()[4].timestamp,
        ManualClock::START.saturating_add(Duration::from_millis(3400))
    );
    assert!(report.is_complete(), "{report:?}");
    assert_balanced(&report.ledger);
}

#[test]
fn an_output_that_recovers_while_stopping_still_writes_everything() {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
    let source = Counting::new(builder.catalog(), "a");
    builder.source("a", source);
    let output = Unreliable::default();
    let (recording, always) = (output.recording(), Arc::clone(&output.always));
    *always.lock() = Some("no space left");
    builder.output("unreliable", output);
    let pipeline = builder.start().unwrap();
    let helper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        *always.lock() = None;
    });
    let report = pipeline.stop(PATIENCE);
    helper.join().unwrap();
    assert_eq!(values(&recording), ["1", "2"]);
    assert!(report.is_complete());
}

#[test]
fn what_cannot_be_written_in_time_is_counted() {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
    let source = Counting::new(builder.catalog(), "a");
    builder.source("a", source);
    let output = Unreliable::default();
    *output.always.lock() = Some("unreachable");
    builder.output("unreliable", output);
    let pipeline = builder.start().unwrap();
    let started = Instant::now();
    let report = pipeline.stop(Duration::from_millis(200));
    assert!(started.elapsed() < Duration::from_secs(3));
    assert!(!report.is_complete());
    let account = report.ledger.outputs.values().next().unwrap();
    assert_eq!(account.dropped[&DropReason::Shutdown], report.ledger.produced);
    assert_balanced(&report.ledger);
    assert_eq!(pipeline.stop(PATIENCE).ledger, report.ledger);
}

#[test]
fn an_output_stuck_in_the_kernel_is_left_behind() {
    struct Stuck;
    impl Output for Stuck {
        fn deliver(&mut self, _: &Delivery) -> Result<Delivering, Failure> {
            std::thread::sleep(Duration::from_secs(5));
            Ok(Delivering::done())
        }
    }
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock));
    let source = Counting::new(builder.catalog(), "a");
    builder.source("a", source);
    builder.output("stuck", Stuck);
    let pipeline = builder.start().unwrap();
    let report = pipeline.stop(Duration::from_millis(100));
    assert_eq!(report.stuck, ["outputs/embedded/stuck"]);
    assert_balanced(&report.ledger);
}

#[test]
fn a_second_thread_can_cut_the_stop_short() {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock));
    let source = Counting::new(builder.catalog(), "a");
    builder.source("a", source);
    let output = Unreliable::default();
    *output.always.lock() = Some("unreachable");
    builder.output("unreliable", output);
    let pipeline = builder.start().unwrap();
    let started = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(200));
            pipeline.abort();
        });
        assert!(!pipeline.stop(Duration::from_secs(60)).is_complete());
    });
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn dropping_a_pipeline_does_not_wait_for_its_outputs() {
    let (pipeline, _, _) = counting_pipeline();
    let started = Instant::now();
    drop(pipeline);
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_blocked_output_has_the_whole_time_and_the_last_poll_happens_all_the_same() {
    let mut builder = PipelineBuilder::with_clock(Arc::new(SystemClock)).ingest_capacity(2);
    let source = Counting::new(builder.catalog(), "a");
    let ticks = source.ticks();
    builder.source("a", source).every(Duration::from_millis(10));
    let output = Unreliable::default();
    let (recording, always) = (output.recording(), Arc::clone(&output.always));
    *always.lock() = Some("the pipe is blocked");
    builder.output("unreliable", output).queue(QueuePolicy {
        capacity: 2,
        on_full: OnFull::Block,
        ..QueuePolicy::default()
    });
    let pipeline = builder.start().unwrap();
    // Long enough for the queues to be full and the source to wait.
    std::thread::sleep(Duration::from_millis(300));
    let polled = ticks.lock().len();
    let helper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        *always.lock() = None;
    });
    let report = pipeline.stop(PATIENCE);
    helper.join().unwrap();
    assert!(report.is_complete(), "{report:?}");
    assert!(ticks.lock().len() > polled);
    assert_eq!(recording.len(), ticks.lock().len());
}

#[test]
fn without_any_time_the_last_poll_still_happens_and_is_accounted_for() {
    let (pipeline, recording, _) = counting_pipeline();
    let report = pipeline.stop(Duration::ZERO);
    assert_balanced(&report.ledger);
    let account = report.ledger.outputs.values().next().unwrap();
    assert_eq!((report.ledger.produced, account.offered), (2, 2));
    // Whether the output was quick enough for the last one is its luck.
    assert_eq!(account.buffered, 0);
    assert!(recording.len() as u64 >= account.delivered);
}
