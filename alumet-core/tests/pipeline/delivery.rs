use std::sync::Arc;
use std::time::Duration;

use alumet_core::failure::Failure;
use alumet_core::output::{OnFull, QueuePolicy};
use alumet_core::pipeline::{DropReason, Pipeline, PipelineBuilder};
use alumet_core::testkit::ManualClock;
use alumet_core::time::SystemClock;

use crate::elements::{
    Counting, PATIENCE, Unreliable, assert_balanced, one_source, pass, values, wait_until,
};

/// One counting source into one unreliable output.
fn pipeline(output: Unreliable, queue: QueuePolicy) -> (Pipeline, ManualClock) {
    let (mut builder, clock) = one_source();
    builder.output("unreliable", output).queue(queue);
    let pipeline = builder.start().unwrap();
    // Waits until the first poll has happened.
    let _ = pipeline.control().resume(&"sources/*/*".parse().unwrap());
    (pipeline, clock)
}

/// Lets `seconds` pass although the output does not answer.
fn pass_without_output(pipeline: &Pipeline, clock: &ManualClock, seconds: u32) {
    let ledger = || pipeline.control().status().unwrap().ledger;
    for _ in 0..seconds {
        let before = ledger().produced;
        clock.advance(Duration::from_secs(1));
        wait_until("the sample of this second has passed the router", || {
            let now = ledger();
            now.produced > before && now.routed == now.produced
        });
    }
}

#[test]
fn a_batch_that_failed_is_written_again_and_comes_first() {
    let output = Unreliable::default();
    output
        .script
        .lock()
        .extend([Failure::retry("disk full"), Failure::restart("broken pipe")]);
    let (recording, resets) = (output.recording(), Arc::clone(&output.resets));
    let (pipeline, clock) = pipeline(output, QueuePolicy::default());
    pass(&pipeline, &clock, 3);
    assert_eq!(values(&recording), ["1", "2", "3", "4"]);
    assert_eq!(
        *resets.lock(),
        1,
        "only the failure that asked for a restart resets"
    );
    let status = pipeline.control().status().unwrap();
    assert_eq!(
        status
            .elements
            .iter()
            .find(|e| e.key.name == "unreliable")
            .unwrap()
            .failures,
        2
    );
    assert_balanced(&status.ledger);
}

#[test]
fn a_batch_that_can_never_be_written_is_dropped_and_counted() {
    let output = Unreliable::default();
    output.script.lock().push_back(Failure::skip("not a number"));
    let recording = output.recording();
    let (pipeline, clock) = pipeline(output, QueuePolicy::default());
    pass(&pipeline, &clock, 2);
    assert_eq!(values(&recording), ["2", "3"]);
    let report = pipeline.stop(PATIENCE);
    let account = report.ledger.outputs.values().next().unwrap();
    assert_eq!(account.dropped[&DropReason::Rejected], 1);
    assert_balanced(&report.ledger);
}

#[test]
fn an_outage_loses_only_what_the_counters_say() {
    let output = Unreliable::default();
    let (recording, always) = (output.recording(), Arc::clone(&output.always));
    *always.lock() = Some("no space left on device");
    let queue = QueuePolicy {
        capacity: 10,
        on_full: OnFull::DropOldest,
        ..QueuePolicy::default()
    };
    let (pipeline, clock) = pipeline(output, queue);
    pass_without_output(&pipeline, &clock, 30);
    let during = pipeline.control().status().unwrap().ledger;
    assert_balanced(&during);
    *always.lock() = None;
    assert!(recording.wait_for(11, PATIENCE));
    let report = pipeline.stop(PATIENCE);
    let account = report.ledger.outputs.values().next().unwrap();
    assert_eq!(
        account.delivered + account.dropped[&DropReason::QueueFull],
        report.ledger.produced
    );
    assert_eq!(recording.len() as u64, account.delivered);
    assert!(report.is_complete(), "{report:?}");
    let numbers: Vec<u64> = values(&recording)
        .iter()
        .map(|value| value.parse().unwrap())
        .collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
    assert!(
        numbers.ends_with(&[29, 30, 31, 32]),
        "the newest samples are kept: {numbers:?}"
    );
}

#[test]
fn a_blocking_queue_loses_nothing_and_counts_the_ticks_it_cost() {
    let mut builder = PipelineBuilder::with_clock(Arc::new(SystemClock)).ingest_capacity(4);
    let source = Counting::new(builder.catalog(), "a");
    builder.source("a", source).every(Duration::from_millis(10));
    let output = Unreliable::default();
    let (recording, always) = (output.recording(), Arc::clone(&output.always));
    *always.lock() = Some("the pipe is blocked");
    builder.output("unreliable", output).queue(QueuePolicy {
        capacity: 4,
        on_full: OnFull::Block,
        ..QueuePolicy::default()
    });
    let pipeline = builder.start().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    *always.lock() = None;
    assert!(recording.wait_for(15, PATIENCE));
    let missed = crate::elements::status_of(&pipeline, "a").missed_ticks;
    let report = pipeline.stop(PATIENCE);
    assert_eq!(report.ledger.dropped_total(), 0);
    assert_eq!(recording.len() as u64, report.ledger.produced);
    let numbers: Vec<u64> = values(&recording)
        .iter()
        .map(|value| value.parse().unwrap())
        .collect();
    assert_eq!(numbers, (1..=report.ledger.produced).collect::<Vec<_>>());
    assert!(
        missed > 10,
        "the source waited for half a second, yet missed only {missed} ticks"
    );
}

#[test]
fn one_slow_output_does_not_hold_up_another() {
    let (mut builder, clock) = one_source();
    let (broken, healthy) = (Unreliable::default(), Unreliable::default());
    *broken.always.lock() = Some("unreachable");
    let recording = healthy.recording();
    builder.output("broken", broken);
    builder.output("healthy", healthy);
    let pipeline = builder.start().unwrap();
    let _ = pipeline.control().resume(&"sources/*/*".parse().unwrap());
    pass_without_output(&pipeline, &clock, 5);
    assert!(recording.wait_for(6, PATIENCE));
    let ledger = pipeline.control().status().unwrap().ledger;
    assert_balanced(&ledger);
    assert_eq!(
        ledger.outputs.values().map(|account| account.buffered).max(),
        Some(6)
    );
}

#[test]
fn an_output_that_has_ended_drops_and_counts_the_rest() {
    let output = Unreliable::default();
    output.script.lock().push_back(Failure::end("the reader is gone"));
    let (pipeline, clock) = pipeline(output, QueuePolicy::default());
    pass_without_output(&pipeline, &clock, 3);
    let report = pipeline.stop(PATIENCE);
    let account = report.ledger.outputs.values().next().unwrap();
    assert_eq!(account.dropped_total(), report.ledger.produced);
    assert_balanced(&report.ledger);
}

#[test]
fn without_an_output_samples_are_counted_as_dropped() {
    let (builder, clock) = one_source();
    let pipeline = builder.start().unwrap();
    pass(&pipeline, &clock, 2);
    let report = pipeline.stop(PATIENCE);
    assert_eq!(
        report.ledger.dropped[&DropReason::NoOutput],
        report.ledger.produced
    );
    assert_balanced(&report.ledger);
}

#[test]
fn the_ledger_is_balanced_at_every_instant_under_load() {
    let mut builder = PipelineBuilder::with_clock(Arc::new(SystemClock));
    for name in ["a", "b", "c", "d"] {
        let source = Counting::new(builder.catalog(), name);
        builder
            .source(name, source)
            .every(Duration::from_millis(1))
            .flush_every(Duration::from_millis(7));
    }
    let output = Unreliable::default();
    output.script.lock().extend((0..20).map(|n| {
        if n % 2 == 0 {
            Failure::skip("no")
        } else {
            Failure::retry("no")
        }
    }));
    builder.output("unreliable", output).queue(QueuePolicy {
        capacity: 20,
        on_full: OnFull::DropOldest,
        ..QueuePolicy::default()
    });
    let pipeline = builder.start().unwrap();
    for _ in 0..300 {
        assert_balanced(&pipeline.control().status().unwrap().ledger);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_balanced(&pipeline.stop(PATIENCE).ledger);
}
