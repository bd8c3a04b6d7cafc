//! What is counted: samples in the ledger, and calls, failures and time in the status of each element.

use std::sync::Arc;
use std::time::Duration;

use alumet_core::Batch;
use alumet_core::failure::Failure;
use alumet_core::output::{NullOutput, RecordedSample, RecordingOutput};
use alumet_core::pipeline::{
    DropReason, ElementState, EventSink, Ledger, PipelineBuilder, PipelineStopped, StopReport,
};
use alumet_core::source::{Accumulator, EventSource, Source};
use alumet_core::testkit::ManualClock;
use alumet_core::transform::{Transform, TransformContext};
use alumet_core::{Consumer, Resource, Series};
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::elements::{
    COUNT, Counting, PATIENCE, SECOND, Step, Unreliable, assert_balanced, counting_pipeline, pass, status_of,
    wait_until,
};
use crate::gated::{Gate, Gated, Opener};

#[test]
fn a_single_sample_too_many_or_too_few_anywhere_unbalances_the_ledger() {
    let (pipeline, _, clock) = counting_pipeline();
    pass(&pipeline, &clock, 2);
    let ledger = pipeline.stop(PATIENCE).ledger;
    assert_balanced(&ledger);
    let output = ledger.outputs.keys().next().unwrap();
    let changes: [fn(&mut Ledger); 7] = [
        |ledger| ledger.produced += 1,
        |ledger| ledger.pending += 1,
        |ledger| ledger.queued += 1,
        |ledger| ledger.added += 1,
        |ledger| ledger.removed += 1,
        |ledger| ledger.routed += 1,
        |ledger| *ledger.dropped.entry(DropReason::NoOutput).or_default() += 1,
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut changed = ledger.clone();
        change(&mut changed);
        assert!(!changed.is_balanced(), "change {index}: {changed:#?}");
    }
    let changes: [fn(&mut alumet_core::pipeline::OutputAccount); 6] = [
        |account| account.offered += 1,
        |account| account.recovered += 1,
        |account| account.delivered += 1,
        |account| account.buffered += 1,
        |account| account.spooled += 1,
        |account| *account.dropped.entry(DropReason::Rejected).or_default() += 1,
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut changed = ledger.clone();
        change(changed.outputs.get_mut(output).unwrap());
        assert!(!changed.is_balanced(), "change {index}: {changed:#?}");
    }
    let mut moved = ledger.clone();
    moved.added += 5;
    moved.removed += 5;
    assert_balanced(&moved);
}

#[test]
fn a_stop_is_complete_only_if_every_output_has_written_or_kept_everything() {
    let mut builder = PipelineBuilder::with_clock(Arc::new(ManualClock::new()));
    for name in ["one", "two"] {
        builder.output(name, NullOutput);
    }
    let pipeline = builder.start().unwrap();
    let before = pipeline.control().status().unwrap().ledger;
    assert_eq!(
        before.outputs.len(),
        2,
        "an output has an account before its first sample"
    );
    let report = pipeline.stop(PATIENCE);
    assert!(report.is_complete());
    let changes: [fn(&mut StopReport); 4] = [
        |report| report.stuck.push("thread alumet-poll".to_owned()),
        |report| {
            report.ledger.dropped.insert(DropReason::Shutdown, 1);
        },
        |report| report.ledger.outputs.values_mut().next().unwrap().buffered = 1,
        |report| {
            let last = report.ledger.outputs.values_mut().last().unwrap();
            last.dropped.insert(DropReason::Shutdown, 1);
        },
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut changed = report.clone();
        change(&mut changed);
        assert!(!changed.is_complete(), "change {index}: {changed:#?}");
    }
    let mut kept = report.clone();
    let account = kept.ledger.outputs.values_mut().next().unwrap();
    (account.buffered, account.spooled) = (5, 5);
    account.dropped.insert(DropReason::Rejected, 1);
    assert!(
        kept.is_complete(),
        "what is in the spool waits for the next start"
    );
}

/// Appends as many samples to each batch as the test says; removes as many if that is negative.
struct Change(Arc<Mutex<i64>>);

impl Transform for Change {
    fn apply(&mut self, batch: &mut Batch, _: &TransformContext<'_>) -> Result<(), Failure> {
        let change = *self.0.lock();
        let keep = batch.len().saturating_sub(change.min(0).unsigned_abs() as usize);
        let mut seen = 0;
        batch.retain(|_| {
            seen += 1;
            seen <= keep
        });
        let first = batch.get(0);
        batch.extend((0..change).filter_map(|_| first));
        Ok(())
    }
}

#[test]
fn samples_that_a_transform_adds_or_removes_are_booked() {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
    for name in ["a", "b", "c"] {
        let source = Counting::new(builder.catalog(), name);
        builder.source(name, source).on_request();
    }
    let change = Arc::new(Mutex::new(0));
    builder.transform("change", Change(Arc::clone(&change)));
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    let control = pipeline.control();
    let (mut added, mut removed) = (0, 0);
    for step in [0, 2, -1, 4, -3] {
        *change.lock() = step;
        control.trigger(&"src".parse().unwrap()).unwrap();
        control.flush().unwrap();
        if step > 0 {
            added += step.unsigned_abs();
        } else {
            removed += step.unsigned_abs();
        }
        let ledger = control.status().unwrap().ledger;
        assert_balanced(&ledger);
        assert_eq!((ledger.added, ledger.removed), (added, removed), "after {step}");
        assert_eq!(ledger.routed, ledger.produced + added - removed);
    }
}

/// Waits at a gate in each poll but the first.
struct Waiting {
    inner: Counting,
    gate: Gate,
    first: bool,
}

impl Source for Waiting {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        if !std::mem::take(&mut self.first) {
            self.gate.pass();
        }
        self.inner.poll(out)
    }
}

#[test]
fn what_a_source_makes_after_the_pipeline_has_stopped_is_counted_as_dropped() {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock));
    let gate = Gate::default();
    let inner = Counting::new(builder.catalog(), "late");
    let source = Waiting {
        inner,
        gate: gate.clone(),
        first: true,
    };
    builder.source("late", source).blocking();
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    let _opener = Opener(&gate);
    pipeline.control().flush().unwrap();
    let report = pipeline.stop(Duration::ZERO);
    assert_eq!(report.stuck, ["sources/embedded/late"]);
    assert!(!report.is_complete());
    assert_eq!(report.ledger.produced, 1);
    gate.open();
    let ledger = || pipeline.control().status().unwrap().ledger;
    wait_until("the last sample is dropped", || ledger().dropped_total() > 0);
    assert_eq!(ledger().dropped[&DropReason::Shutdown], 1);
    assert_eq!(ledger().produced, 2);
    assert_balanced(&ledger());
}

/// Sends one sample when it is told to stop, and one more when nobody takes it any more.
struct TooLate {
    gate: Gate,
    refused: Arc<Mutex<Option<PipelineStopped>>>,
}

#[async_trait]
impl EventSource for TooLate {
    async fn run(&mut self, out: EventSink, stop: CancellationToken) -> Result<(), Failure> {
        let metric = out.catalog().metric(&COUNT)?;
        let series: Series<u64> = out
            .catalog()
            .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
            .register();
        out.send(out.batch()).await?;
        stop.cancelled().await;
        let gate = self.gate.clone();
        tokio::task::spawn_blocking(move || gate.pass()).await?;
        let mut batch = out.batch();
        batch.push(&series, out.now().wall, 1);
        *self.refused.lock() = out.send(batch).await.err();
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_source_that_sends_after_the_stop_is_told_so_and_noted_as_stuck() {
    let mut builder = PipelineBuilder::new();
    let gate = Gate::default();
    let refused = Arc::new(Mutex::new(None));
    builder.event_source(
        "late",
        TooLate {
            gate: gate.clone(),
            refused: Arc::clone(&refused),
        },
    );
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    tokio::task::spawn_blocking(move || {
        let _opener = Opener(&gate);
        wait_until("it runs", || pipeline.catalog().live_series() == 1);
        let report = pipeline.stop(Duration::ZERO);
        assert_eq!(report.stuck, ["sources/embedded/late"]);
        assert_eq!(
            report.ledger,
            Ledger {
                outputs: report.ledger.outputs.clone(),
                ..Ledger::default()
            }
        );
        gate.open();
        wait_until("the sample is refused", || refused.lock().is_some());
        let ledger = pipeline.control().status().unwrap().ledger;
        assert_eq!(ledger.dropped[&DropReason::Shutdown], 1);
        assert_balanced(&ledger);
    })
    .await
    .unwrap();
}

#[test]
fn a_write_that_ends_after_it_was_given_up_is_not_booked_twice() {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
    let source = Counting::new(builder.catalog(), "a");
    builder.source("a", source).on_request();
    let output = Gated::default();
    let gate = output.gate.clone();
    builder.output("gated", output);
    let pipeline = builder.start().unwrap();
    let _opener = Opener(&gate);
    let control = pipeline.control();
    let account = || {
        let ledger = control.status().unwrap().ledger;
        assert_balanced(&ledger);
        ledger.outputs.into_values().next().unwrap()
    };
    control.trigger(&"src".parse().unwrap()).unwrap();
    gate.wait_for_visitor();
    for _ in 0..5 {
        control.trigger(&"src".parse().unwrap()).unwrap();
    }
    wait_until("all are offered", || account().offered == 6);
    let report = pipeline.stop(Duration::ZERO);
    assert_eq!(report.stuck, ["outputs/embedded/gated"]);
    let given_up = account();
    assert_eq!(given_up.dropped[&DropReason::Shutdown], 6);
    gate.open();
    wait_until("the output has noticed", || {
        status_of(&pipeline, "gated").state == ElementState::Ended
    });
    let after = account();
    assert_eq!(
        after.dropped, given_up.dropped,
        "what was written too late stays dropped"
    );
    assert_eq!(after.delivered, 0);
}

#[test]
fn an_output_that_has_ended_is_told_as_ended_and_books_what_comes_as_such() {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
    let source = Counting::new(builder.catalog(), "a");
    builder.source("a", source);
    let output = Unreliable::default();
    output.script.lock().push_back(Failure::end("the reader is gone"));
    builder.output("ended", output);
    let pipeline = builder.start().unwrap();
    wait_until("the output has ended", || {
        status_of(&pipeline, "ended").state == ElementState::Ended
    });
    for _ in 0..3 {
        clock.advance(SECOND);
        pipeline.control().ping().unwrap();
    }
    let ledger = || pipeline.control().status().unwrap().ledger;
    wait_until("four samples have passed the router", || ledger().routed == 4);
    wait_until("all are booked", || ledger().dropped_total() == 4);
    let account = ledger().outputs.into_values().next().unwrap();
    assert_eq!(account.dropped[&DropReason::OutputEnded], 4);
    assert_eq!(account.buffered, 0);
    assert_balanced(&ledger());
}

/// Lets time pass while it is polled.
struct Slow {
    inner: Counting,
    clock: ManualClock,
    takes: Duration,
}

impl Source for Slow {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        self.clock.advance(self.takes);
        self.inner.poll(out)
    }
}

#[test]
fn the_status_of_a_source_counts_its_own_calls_samples_failures_and_time() {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
    let steps = [
        Step::Work,
        Step::Fail(Failure::retry("busy")),
        Step::Fail(Failure::restart("broken")),
        Step::Panic,
    ];
    for (name, millis) in [("first", 1), ("second", 20)] {
        let inner = Counting::new(builder.catalog(), name);
        let inner = if name == "second" {
            inner.script(steps_of(&steps))
        } else {
            inner
        };
        let source = Slow {
            inner,
            clock: clock.clone(),
            takes: Duration::from_millis(millis),
        };
        builder.source(name, source).on_request();
    }
    let output = RecordingOutput::new();
    builder.output("recording", output);
    let pipeline = builder.start().unwrap();
    let control = pipeline.control();
    let states: Vec<_> = (0..5)
        .map(|_| {
            let _ = control.trigger(&"src".parse().unwrap());
            clock.advance(Duration::from_secs(100));
            status_of(&pipeline, "second").state
        })
        .collect();
    use ElementState::{Failing, Restarting, Running};
    assert_eq!(states, [Running, Failing, Restarting, Restarting, Running]);
    let (first, second) = (status_of(&pipeline, "first"), status_of(&pipeline, "second"));
    assert_eq!((first.calls, first.samples, first.failures), (5, 5, 0));
    assert_eq!((second.calls, second.samples), (5, 5));
    assert_eq!(
        (second.failures, second.restarts, second.failures_in_a_row),
        (3, 2, 0)
    );
    assert_eq!(
        second.last_error.as_deref(),
        Some("it panicked: the script says so")
    );
    assert_eq!(first.busy, Duration::from_millis(5));
    assert_eq!(second.busy, Duration::from_millis(100));
    assert!(first.is_healthy() && second.is_healthy());
    control.flush().unwrap();
    let output = status_of(&pipeline, "recording");
    assert_eq!((output.calls, output.samples), (5, 10));
}

fn steps_of(steps: &[Step]) -> Vec<Step> {
    let copy = |step: &Step| match step {
        Step::Work => Step::Work,
        Step::Fail(failure) => Step::Fail(Failure::new(failure.remedy(), failure.to_string())),
        Step::Panic => Step::Panic,
    };
    steps.iter().map(copy).collect()
}

#[test]
fn only_an_element_that_works_or_rests_is_healthy() {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock));
    let failing = Counting::new(builder.catalog(), "failing").script([Step::Fail(Failure::retry("no"))]);
    let broken = Counting::new(builder.catalog(), "broken").script([Step::Panic]);
    let resting = Counting::new(builder.catalog(), "resting");
    let ticks = resting.ticks();
    builder.source("failing", failing);
    builder.source("broken", broken);
    builder.source("resting", resting).paused();
    builder.output("recording", RecordingOutput::new());
    let pipeline = builder.start().unwrap();
    pipeline.control().flush().unwrap();
    for (name, healthy, state) in [
        ("failing", false, "failing"),
        ("broken", false, "restarting"),
        ("resting", true, "paused"),
        ("recording", true, "running"),
    ] {
        let status = status_of(&pipeline, name);
        assert_eq!(
            (status.is_healthy(), &*status.state.to_string()),
            (healthy, state),
            "{name}"
        );
    }
    assert_eq!(
        ticks.lock().len(),
        0,
        "it waits to be resumed before its first poll"
    );
    pipeline
        .control()
        .resume(&"src/*/resting".parse().unwrap())
        .unwrap();
    pipeline.control().ping().unwrap();
    assert_eq!(ticks.lock().len(), 1);
}

#[test]
fn the_pipeline_measures_what_it_drops_and_how_much_memory_it_has() {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone())).self_metrics(SECOND);
    let source = Counting::new(builder.catalog(), "a");
    builder.source("a", source);
    let refusing = Unreliable::default();
    refusing.script.lock().push_back(Failure::skip("not a number"));
    builder.output("refusing", refusing);
    let output = RecordingOutput::new();
    let recording = output.recording();
    builder.output("recording", output);
    let pipeline = builder.start().unwrap();
    pipeline.control().flush().unwrap();
    let expected = status_of(&pipeline, "refusing");
    assert_eq!(expected.failures, 1);
    // Some milliseconds of CPU time.
    let busy = (0..5_000_000_u64).fold(1_u64, |sum, value| std::hint::black_box(sum ^ value));
    assert_ne!(std::hint::black_box(busy), u64::MAX);
    pass(&pipeline, &clock, 1);
    let samples = recording.samples();
    let last = |metric: &str, text: &str| {
        let named = |sample: &&RecordedSample| sample.series.metric.name == metric;
        let mut found = samples.iter().filter(named);
        found
            .rfind(|sample| sample.to_string().contains(text))
            .map(|sample| sample.value.as_f64())
    };
    let of = "element=outputs/embedded/refusing, reason=rejected";
    let ledger = pipeline.control().status().unwrap().ledger;
    let dropped = ledger.dropped_total();
    assert!(dropped > 0);
    assert_eq!(last("alumet_samples_dropped", of), Some(dropped as f64));
    assert_eq!(
        last("alumet_samples_dropped", "element=outputs/embedded/recording"),
        None
    );
    let failures = "element=outputs/embedded/refusing";
    assert_eq!(last("alumet_element_failures", failures), Some(1.0));
    assert!(last("alumet_cpu_time", "").unwrap() > 0.0);
    let resident = last("alumet_memory_resident", "").unwrap();
    assert!(
        resident > f64::from(1 << 20),
        "a program has more than {resident} bytes"
    );
}
